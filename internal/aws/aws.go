// Package aws signs requests to services of AWS (Signature Version 4) and finds the credentials for it: those of the
// configuration, of the environment, of a shared profile, of a web identity, or of the container or machine, in the order of
// AWS' own SDKs. They are kept, and renewed before they expire.
//
// A backend has one [Signer]; its Sign adds the headers of the signature to a request that is otherwise ready to go.
package aws

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// Failure is the type of the errors that tell of credentials: nothing was signed, and nothing sent.
const Failure = "aws_credentials"

// Request is what is signed.
type Request struct {
	Service     string // as in the credential's scope: bedrock
	Method      string
	Host        string // as in the Host header
	Path, Query string // as they go over the wire, the path escaped
	Body        []byte
}

// Signer signs the requests of one backend. It is safe for concurrent use.
type Signer struct {
	region string
	store  store
	signer *v4.Signer
	now    func() time.Time
}

// NewSigner returns a signer with the credentials that conf names, or else those that the environment has. region is where
// the backend is; "" = that of the environment or the profile. Nothing is read or asked for before the first Sign.
func NewSigner(conf ir.AWS, region string) *Signer {
	return &Signer{
		region: region,
		store:  store{load: source{conf: conf, region: region}.load, turn: make(chan struct{}, 1)},
		signer: v4.NewSigner(),
		now:    time.Now,
	}
}

// Ready reports whether Sign will need no I/O.
func (s *Signer) Ready() bool { return s.store.fresh(s.now()) != nil }

// Strip removes from h what a client's own signature put there.
func Strip(h http.Header) {
	delete(h, "X-Amz-Date")
	delete(h, "X-Amz-Security-Token")
	delete(h, "X-Amz-Content-Sha256")
}

// StripQuery removes from a raw query what a client's own signature put there (presigned URLs).
func StripQuery(query string) string {
	if !strings.Contains(query, "X-Amz-") {
		return query
	}
	kept := ""
	for part := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(part, "X-Amz-") {
			if kept != "" {
				kept += "&"
			}
			kept += part
		}
	}
	return kept
}

// Sign puts the signature of r into h: Authorization, X-Amz-Date, and X-Amz-Security-Token with credentials that are
// temporary. What is signed is the method, path, query and body, and of the headers Host, Content-Type and those that begin
// with X-Amz- or X-Amzn-Bedrock-; all others may still change. It fetches the credentials first when there are none that are
// good, which takes at most 10 seconds, and fails with an *llm.Error of the type Failure, which tells no secret.
func (s *Signer) Sign(ctx context.Context, r *Request, h http.Header) error {
	now := s.now()
	found, err := s.store.get(ctx, now)
	if err != nil {
		return err
	}
	region := cmp.Or(s.region, found.region)
	if region == "" {
		return llm.Errorf(http.StatusInternalServerError, Failure,
			"The request cannot be signed for AWS: no region is known. Set the backend's region, or AWS_REGION.")
	}
	Strip(h)
	req := &http.Request{Method: r.Method, Host: r.Host, Header: signed(h),
		URL: &url.URL{Host: r.Host, Opaque: "//" + r.Host + r.Path, RawQuery: r.Query}}
	sum := sha256.Sum256(r.Body)
	err = s.signer.SignHTTP(ctx, found.credentials, req, hex.EncodeToString(sum[:]), r.Service, region, now)
	if err != nil {
		return &llm.Error{Status: http.StatusInternalServerError, Type: Failure, Message: "The request cannot be signed for AWS.", Err: err}
	}
	for _, k := range [...]string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if v := req.Header[k]; v != nil {
			h[k] = v
		}
	}
	return nil
}

// signed is what of h is signed.
func signed(h http.Header) http.Header {
	out := make(http.Header, 6)
	for k, v := range h {
		if k == "Content-Type" || strings.HasPrefix(k, "X-Amz-") || strings.HasPrefix(k, "X-Amzn-Bedrock-") {
			out[k] = v
		}
	}
	return out
}

// RegionOf is the region in the name of an AWS endpoint, such as bedrock-runtime.us-east-1.amazonaws.com; "" when host is
// none (AWS General Reference, "Service endpoints").
func RegionOf(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	for _, suffix := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".vpce.amazonaws.com"} {
		rest, ok := strings.CutSuffix(host, suffix)
		if !ok {
			continue
		}
		for label := range strings.SplitSeq(rest, ".") {
			if isRegion(label) {
				return label
			}
		}
	}
	return ""
}

// isRegion reports whether s looks like us-east-1, ap-southeast-2 or us-gov-west-1.
func isRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := parts[len(parts)-1]
	return len(parts) >= 3 && len(parts) <= 4 && len(parts[0]) == 2 && len(last) == 1 && last[0] >= '0' && last[0] <= '9'
}

// found is what a source gave.
type found struct {
	credentials sdk.Credentials
	region      string // the environment's or the profile's; ""
}
