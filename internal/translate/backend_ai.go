package translate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
)

// makeAI is a backend for each provider of a Backend of type AI.
func makeAI(j *judge, out *aiBackend, o *v1alpha1.Backend) {
	ai, name := o.Spec.AI, o.Namespace+"/"+o.Name
	shapes := 0
	for _, set := range []bool{ai.LLM != nil, ai.MultiPool != nil, ai.PriorityGroups != nil} {
		if set {
			shapes++
		}
	}
	if shapes != 1 {
		j.fault("spec.ai", "want exactly one of llm, multipool (releases before 2.1) and priorityGroups (from 2.1 on)")
		return
	}
	m := member{judge: j, namespace: o.Namespace}
	switch {
	case ai.LLM != nil:
		out.add(m.backend(name, "spec.ai.llm", ai.LLM))
	case ai.MultiPool != nil:
		for g := range ai.MultiPool.Priorities {
			out.Groups = append(out.Groups, nil)
			pool := ai.MultiPool.Priorities[g].Pool
			for i := range pool {
				out.add(m.backend(fmt.Sprintf("%s/%d.%d", name, g, i), fmt.Sprintf("spec.ai.multipool.priorities[%d].pool[%d]", g, i), &pool[i]))
			}
		}
	default:
		taken := map[string]bool{}
		for g := range ai.PriorityGroups {
			out.Groups = append(out.Groups, nil)
			providers := ai.PriorityGroups[g].Providers
			for i := range providers {
				entry := name + "/" + providers[i].Name
				if taken[entry] {
					entry = name + "/" + strconv.Itoa(g) + "." + providers[i].Name
				}
				taken[entry] = true
				out.add(m.backend(entry, fmt.Sprintf("spec.ai.priorityGroups[%d].providers[%d]", g, i), &providers[i].LLMProvider))
			}
		}
	}
}

// member makes backends of the providers of one Backend.
type member struct {
	*judge
	namespace string
}

// backend is the one of p, whose place in the object is field.
func (m *member) backend(name, field string, p *v1alpha1.LLMProvider) ir.Backend {
	before := len(m.faults)
	b := newBackend(name)
	b.URL = ""
	m.onlyOnce(field, p)
	c, at := &p.ProviderConfig, field
	if p.Provider != nil {
		c, at = &p.Provider.ProviderConfig, field+".provider"
	}
	where := m.host(field, p)
	m.provider(at, c, &b, where)
	b.AuthRequired = b.Key.Passthrough
	m.path(field, p, &b)
	m.authHeader(field, p, &b)
	if len(p.Routes) > 0 {
		m.ignore(field+".routes", "is not supported: what clients speak shows in their requests")
	}
	if p.HostOverride != nil && deref(p.HostOverride.InsecureSkipVerify, false) {
		b.TLS.InsecureSkipVerify = true
		m.warn(field+".hostOverride.insecureSkipVerify", "the provider's certificate is not verified: whoever is between can read the credential")
	}
	if len(m.faults) > before {
		b.Broken = invalidBackend
		b.URL = cmp.Or(b.URL, nowhere)
	}
	return b
}

// onlyOnce refuses what is set in the shape of both generations.
func (m *member) onlyOnce(field string, p *v1alpha1.LLMProvider) {
	for _, pair := range []struct {
		old, fresh   bool
		oldN, freshN string
	}{
		{p.Provider != nil, providers(&p.ProviderConfig) > 0, "provider", "the provider's own field"},
		{p.HostOverride != nil, p.Host != nil || p.Port != nil, "hostOverride", "host"},
		{p.PathOverride != nil, p.Path != nil, "pathOverride", "path"},
		{p.AuthHeaderOverride != nil, p.AuthHeader != nil, "authHeaderOverride", "authHeader"},
	} {
		if pair.old && pair.fresh {
			m.fault(field, "%s and %s set the same, in the shapes of two generations: set one of them", pair.oldN, pair.freshN)
		}
	}
}

// providers is how many are named.
func providers(c *v1alpha1.ProviderConfig) int {
	n := 0
	for _, set := range []bool{c.OpenAI != nil, c.AzureOpenAI != nil, c.Anthropic != nil, c.Gemini != nil, c.VertexAI != nil, c.Bedrock != nil} {
		if set {
			n++
		}
	}
	return n
}

// address is where a provider is, in place of its own; the zero value is the provider's own.
type address struct {
	host string
	port int32
}

// url is the address's, below base. Port 443 is spoken to with TLS, others without.
func (a address) url(base string) string {
	return urlOf(a.host, a.port, a.port == 443) + base
}

func (m *member) host(field string, p *v1alpha1.LLMProvider) address {
	var a address
	switch {
	case p.HostOverride != nil:
		a = address{p.HostOverride.Host.Host, p.HostOverride.Port}
		field += ".hostOverride.host"
	case p.Host != nil:
		a = address{*p.Host, deref(p.Port, 443)}
		if p.Port == nil {
			m.warn(field+".port", "is missing beside host; 443 is taken")
		}
		field += ".host"
	case p.Port != nil:
		m.fault(field+".port", "goes with host")
		return a
	default:
		return a
	}
	if !checkHost(m.judge, field, a.host) {
		return address{}
	}
	return a
}

// path replaces the provider's path.
func (m *member) path(field string, p *v1alpha1.LLMProvider, b *ir.Backend) {
	var full string
	switch o := p.PathOverride; {
	case o != nil && o.FullPath != nil && o.Full != nil:
		m.fault(field+".pathOverride", "fullPath and full set the same: set one of them")
		return
	case o != nil && o.FullPath != nil:
		full, field = *o.FullPath, field+".pathOverride.fullPath"
	case o != nil && o.Full != nil:
		full, field = *o.Full, field+".pathOverride.full"
	case p.Path != nil:
		full, field = p.Path.Full, field+".path.full"
	default:
		return
	}
	if !strings.HasPrefix(full, "/") || strings.ContainsAny(full, "# \t\r\n") {
		m.fault(field, "%q is no path: it begins with a slash and has neither spaces nor a fragment", full)
		return
	}
	path, query, _ := strings.Cut(full, "?")
	b.Path, b.Query = path, ir.Opt[string]{V: query, Set: true}
}

// authHeader says which header carries the credential. The token follows the prefix without a space.
func (m *member) authHeader(field string, p *v1alpha1.LLMProvider, b *ir.Backend) {
	var header, prefix *string
	switch {
	case p.AuthHeaderOverride != nil:
		header, prefix, field = p.AuthHeaderOverride.HeaderName, p.AuthHeaderOverride.Prefix, field+".authHeaderOverride"
	case p.AuthHeader != nil:
		header, prefix, field = p.AuthHeader.HeaderName, p.AuthHeader.Prefix, field+".authHeader"
	}
	if header != nil && *header != "" {
		if !isToken(*header) || isHop(*header) {
			m.fault(field+".headerName", "%q is no header that can carry a credential", *header)
			return
		}
		b.AuthHeader = *header
		if row, ok := provider.Lookup(b.Provider); ok {
			b.AuthPrefix = ir.Opt[string]{V: row.Endpoints[0].Prefix, Set: true}
		}
	}
	if prefix == nil {
		return
	}
	if !isHeaderValue(*prefix) {
		m.fault(field+".prefix", "has a control character")
		return
	}
	if *prefix == "" {
		m.warn(field+".prefix", "is empty: the bare token is sent")
	}
	b.AuthPrefix = ir.Opt[string]{V: *prefix, Set: true}
}
