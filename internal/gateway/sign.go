package gateway

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/aws"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/provider"
)

// signerFor is what signs the requests to a backend of p at host, nil when nothing does: they go with a key, or are not AWS'.
// The region in the name of the host goes before the configured one: AWS takes no other.
func signerFor(c *ir.Backend, p *provider.Provider, host string) *aws.Signer {
	if c.Key != (ir.Credential{}) {
		return nil
	}
	for k := range c.Headers {
		if strings.EqualFold(k, "Authorization") {
			return nil
		}
	}
	for i := range p.Endpoints {
		if p.Endpoints[i].SigV4 != "" {
			return aws.NewSigner(c.AWS, cmp.Or(aws.RegionOf(host), c.Region))
		}
	}
	return nil
}

// sign signs the request for a provider that wants it. It comes last: of what is signed nothing may change. A client's own
// signature, made for this gateway's address, is good nowhere else and never goes on; where clients bring the credential, it
// has to be an API key.
func (a *Attempt) sign() error {
	c, b, o := a.call, a.Backend, &a.out
	if a.endpoint.SigV4 == "" {
		return nil
	}
	if b.conf.Key.Passthrough && (c.cred == "" || c.credBound) {
		return llm.Errorf(http.StatusUnauthorized, "authentication_error",
			"Requests go on with the caller's own API key, sent as a bearer token; a signature (AWS Signature Version 4) holds for this address only and cannot go on.")
	}
	if b.signer == nil {
		return nil
	}
	if !b.signer.Ready() { // waiting for AWS is no work of the gateway's
		c.rest(time.Now())
		defer func() { c.work(time.Now()) }()
	}
	return b.signer.Sign(c.ctx, &aws.Request{Service: a.endpoint.SigV4, Method: o.Method, Host: o.Host, Path: o.Path, Query: o.Query, Body: o.Body}, o.Header)
}

// unsigned moves the plan to another backend after one whose credentials were not found, and reports whether there is one.
func (c *Call) unsigned() bool {
	for ; c.step < c.plan.n && c.ctx.Err() == nil; c.step++ {
		if c.plan.steps[c.step].backend != c.attempt.Backend {
			c.reason, c.wait = aws.Failure, 0
			return true
		}
	}
	return false
}
