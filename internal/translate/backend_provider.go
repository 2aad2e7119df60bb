package translate

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
)

// provider fills in what c says of the provider. Where it answers is where, or its own address.
func (m *member) provider(field string, c *v1alpha1.ProviderConfig, b *ir.Backend, where address) {
	if providers(c) != 1 {
		m.fault(field, "want exactly one of openai, azureopenai, anthropic, gemini, vertexai and bedrock")
		return
	}
	switch {
	case c.OpenAI != nil:
		b.Provider, b.Model = providerOpenAI, deref(c.OpenAI.Model, "")
		b.Key = m.token(m.namespace, field+".openai.authToken", &c.OpenAI.AuthToken)
		m.at(b, where, "")
	case c.Anthropic != nil:
		b.Provider, b.Model, b.APIVersion = providerAnthropic, deref(c.Anthropic.Model, ""), c.Anthropic.APIVersion
		b.Key = m.token(m.namespace, field+".anthropic.authToken", &c.Anthropic.AuthToken)
		m.at(b, where, "")
	case c.AzureOpenAI != nil:
		m.azure(field+".azureopenai", c.AzureOpenAI, b, where)
	case c.Gemini != nil:
		b.Provider, b.Model = providerGemini, c.Gemini.Model
		b.Key = m.token(m.namespace, field+".gemini.authToken", &c.Gemini.AuthToken)
		m.at(b, where, m.version(field+".gemini.apiVersion", c.Gemini.APIVersion))
	case c.VertexAI != nil:
		m.vertex(field+".vertexai", c.VertexAI, b, where)
	default:
		m.bedrock(field+".bedrock", c.Bedrock, b, where)
	}
}

// at puts b at where, or at the provider's own address, below base.
func (m *member) at(b *ir.Backend, where address, base string) {
	if where != (address{}) {
		b.URL = where.url(base)
		return
	}
	if own, err := provider.Address(b, ""); err == nil && base != "" {
		b.URL = own.Scheme + "://" + own.Host + base
	}
}

// version is an API's version as the beginning of a path.
func (m *member) version(field, v string) string {
	v = strings.Trim(v, "/")
	if v == "" || v != url.PathEscape(v) {
		m.fault(field, "%q is no version of an API, such as v1", v)
		return ""
	}
	return "/" + v
}

// azure takes an endpoint with a scheme, a port and a path, too: people copy it from the portal.
func (m *member) azure(field string, c *v1alpha1.AzureOpenAI, b *ir.Backend, where address) {
	b.Provider, b.Deployment, b.APIVersion = providerAzure, c.DeploymentName, c.APIVersion
	b.Key = m.token(m.namespace, field+".authToken", &c.AuthToken)
	endpoint := c.Endpoint
	if _, rest, ok := strings.Cut(endpoint, "://"); ok {
		m.warn(field+".endpoint", "is a host: its scheme is left out")
		endpoint = rest
	}
	host, path, _ := strings.Cut(endpoint, "/")
	own := address{host, 443}
	if h, p, err := net.SplitHostPort(host); err == nil {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || port == 0 {
			m.fault(field+".endpoint", "%q is no port", p)
			return
		}
		own = address{h, int32(port)}
	}
	if !checkHost(m.judge, field+".endpoint", own.host) {
		return
	}
	base := "/openai"
	if path = strings.Trim(path, "/"); path != "" {
		path = "/" + path
		base = strings.TrimSuffix(path, base) + base
	}
	if where == (address{}) {
		where = own
	}
	b.URL = where.url(base)
}

func (m *member) vertex(field string, c *v1alpha1.VertexAI, b *ir.Backend, where address) {
	b.Provider, b.Model, b.Project, b.Location = providerVertexAI, c.Model, c.ProjectID, c.Location
	b.Key = m.token(m.namespace, field+".authToken", &c.AuthToken)
	for _, part := range []struct{ field, text string }{{"location", c.Location}, {"projectId", c.ProjectID}} {
		if part.text == "" || part.text != url.PathEscape(part.text) {
			m.fault(field+"."+part.field, "%q cannot be part of a path", part.text)
			return
		}
	}
	base := m.version(field+".apiVersion", c.APIVersion)
	if base == "" {
		return
	}
	m.at(b, where, base)
	if verb := strings.TrimPrefix(deref(c.ModelPath, ""), ":"); verb != "" {
		if verb != url.PathEscape(verb) {
			m.fault(field+".modelPath", "%q is no verb of a model's path, such as generateContent", verb)
			return
		}
		b.Path = base + "/projects/" + c.ProjectID + "/locations/" + c.Location + "/publishers/google/models/" + url.PathEscape(c.Model) + ":" + verb
	}
}

func (m *member) bedrock(field string, c *v1alpha1.Bedrock, b *ir.Backend, where address) {
	b.Provider, b.Model, b.Region = providerBedrock, deref(c.Model, ""), c.Region
	if b.Region == "" {
		b.Region = "us-east-1"
	}
	m.at(b, where, "")
	if c.Auth != nil {
		b.AWS = m.aws(field+".auth", c.Auth)
	}
	if c.Guardrail != nil {
		m.unserved(field+".guardrail", "guardrails of Bedrock's own are not supported, and calls are not sent without what is to protect them; a TrafficPolicy's ai.promptGuard can check them")
	}
}
