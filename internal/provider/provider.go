// Package provider is the table of LLM providers: the name each has in telemetry, where it answers, which wire formats it
// speaks, how it is shown a credential. A provider that speaks OpenAI's formats is one row.
//
// [Lookup] finds a row; its [Endpoint] for a dialect locates calls with Locate and names the header of the credential.
package provider

import (
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect/anthropic"
	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/dialect/writer"
	"github.com/spanway/spanway/internal/llm"
)

// Provider is one row of the table.
type Provider struct {
	Name      string     // what configuration calls it
	System    string     // gen_ai.provider.name (semantic conventions 1.41, or a plain name where they have none)
	URL       string     // scheme and host of the provider's own API; "" when configuration must give one
	Endpoints []Endpoint // the first is the one that other dialects are translated to
	Bare      string     // the path that the bare prefix of a route stands for; {model} = the configured one
	Plain     bool       // no API of models: calls pass through, and nothing of them is read
}

// Endpoint is one dialect of a provider.
type Endpoint struct {
	Outbound llm.Outbound
	Base     string // path before the API's own
	Header   string // canonical name of the credential's header
	Prefix   string // what stands before the credential
	Locate   func(c Config, r Call) (path, query string)
	// Fixed are headers that every request needs unless the client sent them.
	Fixed map[string]string
	// Namespace is azure.resource_provider.namespace.
	Namespace string
	// Own is a path below which all is this endpoint's, also what no dialect knows; "" = none.
	Own string
	// Asked marks an endpoint that is spoken to only when it is asked for: by a path below Own, or by the backend's
	// configuration.
	Asked bool
	// Lacks are the APIs of the dialect that this host does not have: calls of them are translated for one that it has.
	Lacks []llm.API
	// Serves reports whether the endpoint is one for a model; nil = for all. A path below Own says so, too.
	Serves func(model string) bool
	// Adapt turns a request of the endpoint's dialect into what this host takes of it: r's body is body, with the name of
	// the model as it goes upstream. nil = nothing differs.
	Adapt func(r *llm.Request, body []byte, model string) ([]byte, error)
	// SigV4 is the service that requests are signed for when the backend has no key (AWS Signature Version 4); "" = none.
	SigV4 string
}

// Config is what configuration says of a backend's place.
type Config struct {
	Base       string // path before the API's own: the URL's path where it has one, else the endpoint's Base
	Explicit   bool   // Base came from configuration
	Deployment string
	APIVersion string
	Project    string
	Location   string
	Region     string
}

// Call is what a path depends on.
type Call struct {
	API    llm.API // "" for a path that passes through
	Path   string  // the client's, the route's prefix removed
	Query  string
	Model  string // sent upstream; "" = the client's path has it
	Rename bool   // Model differs from what the client named
	Stream bool
	// Native is false when the request was translated: Path is then of another dialect.
	Native bool
}

// Endpoint returns the provider's endpoint that speaks d.
func (p *Provider) Endpoint(d llm.Dialect) (*Endpoint, bool) {
	for i := range p.Endpoints {
		if p.Endpoints[i].Outbound.Dialect() == d {
			return &p.Endpoints[i], true
		}
	}
	return nil, false
}

// Query is what the choice of an endpoint depends on.
type Query struct {
	Dialect llm.Dialect // the client's
	API     llm.API     // "" for a path that passes through
	Path    string      // the client's, the route's prefix removed
	Model   string      // as it goes upstream
	Want    llm.Dialect // what configuration names; "" = nothing
}

// Choose returns the endpoint for a call: one that takes it as it is where there is one, then native is true, else the first,
// which it is translated for.
func (p *Provider) Choose(q Query) (chosen *Endpoint, native bool) {
	asked := false
	for i := range p.Endpoints {
		e := &p.Endpoints[i]
		own := e.Own != "" && within(q.Path, e.Own)
		switch takes := e.takes(q); {
		case q.Want != "" && e.Outbound.Dialect() != q.Want, e.Serves != nil && !e.Serves(q.Model) && !own:
			continue
		case q.Want == "" && e.Asked && !own:
			continue
		case chosen == nil, takes && (!native || e.Asked && !asked):
			chosen, native, asked = e, takes, e.Asked
		}
	}
	if chosen == nil {
		chosen = &p.Endpoints[0]
		native = chosen.takes(q)
	}
	return chosen, native
}

// takes reports whether a call needs no translation for e.
func (e *Endpoint) takes(q Query) bool {
	return e.Outbound.Dialect() == q.Dialect && !slices.Contains(e.Lacks, q.API)
}

// Speaks reports whether clients of dialect d that call path are understood without translation.
func (p *Provider) Speaks(d, want llm.Dialect, path string) bool {
	for i := range p.Endpoints {
		e := &p.Endpoints[i]
		speaks := e.Outbound.Dialect()
		if speaks == d && (want == speaks || want == "" && (!e.Asked || within(path, e.Own))) {
			return true
		}
	}
	return false
}

// At returns the endpoint that a path which passes through belongs to: the one that owns it, else the first.
func (p *Provider) At(path string) *Endpoint {
	for i := range p.Endpoints {
		if e := &p.Endpoints[i]; e.Own != "" && within(path, e.Own) {
			return e
		}
	}
	return &p.Endpoints[0]
}

// Lookup finds the row called name.
func Lookup(name string) (*Provider, bool) {
	for i := range table {
		if table[i].Name == name {
			return &table[i], true
		}
	}
	return nil, false
}

// Names lists the rows' names in the table's order.
func Names() []string {
	out := make([]string, len(table))
	for i := range table {
		out[i] = table[i].Name
	}
	return out
}

// Inbounds are the dialects that clients may speak, in the order in which a path is offered to them. Ollama's come first:
// its /api/embeddings is more specific than OpenAI's …/embeddings.
func Inbounds() []llm.Inbound {
	return []llm.Inbound{ollama.Dialect{}, cohere.Dialect{}, openai.Dialect{}, anthropic.Dialect{}, gemini.Dialect{}, bedrock.Dialect{}, mistral.Dialect{}, writer.Dialect{}}
}

// openAIAt is the endpoint of an OpenAI-compatible API below base.
func openAIAt(base string) Endpoint {
	return Endpoint{Outbound: openai.Dialect{}, Base: base, Header: "Authorization", Prefix: "Bearer ", Locate: locateVersioned}
}

// anthropicAt is the endpoint of an Anthropic-compatible API below base.
func anthropicAt(base string) Endpoint {
	return Endpoint{Outbound: anthropic.Dialect{}, Base: base, Header: "X-Api-Key", Locate: locateVersioned, Own: "/v1/messages", Adapt: directBody,
		Fixed: map[string]string{"Anthropic-Version": "2023-06-01"}}
}

// bedrockOpenAI is Bedrock's endpoint for chat completions and Responses (user guide, "Generate responses using OpenAI APIs").
func bedrockOpenAI() Endpoint {
	e := openAIAt("/openai/v1")
	e.Own, e.Asked, e.SigV4 = "/openai/v1", true, "bedrock"
	return e
}

// compatible is the row of an OpenAI-compatible provider.
func compatible(name, system, url, base string) Provider {
	return Provider{Name: name, System: system, URL: url, Endpoints: []Endpoint{openAIAt(base)}, Bare: "/chat/completions"}
}

// table is the providers. URLs and base paths are those of the providers' API references.
var table = []Provider{
	compatible("openai", "openai", "https://api.openai.com", "/v1"),
	{Name: "azure", System: "azure.ai.openai", Bare: "/chat/completions", Endpoints: []Endpoint{{
		Outbound: openai.Dialect{}, Base: "/openai", Header: "Api-Key", Locate: locateAzure, Namespace: "Microsoft.CognitiveServices",
	}}},
	{Name: "anthropic", System: "anthropic", URL: "https://api.anthropic.com", Bare: "/messages", Endpoints: []Endpoint{anthropicAt("/v1")}},
	{Name: "gemini", System: "gcp.gemini", URL: "https://generativelanguage.googleapis.com", Bare: "/chat/completions", Endpoints: []Endpoint{
		{Outbound: gemini.Dialect{}, Base: "/v1beta", Header: "X-Goog-Api-Key", Locate: locateGemini},
		{Outbound: openai.Dialect{}, Base: "/v1beta/openai", Header: "Authorization", Prefix: "Bearer ", Locate: locateVersioned, Own: "/v1beta/openai",
			Lacks: []llm.API{llm.OpenAIResponses}},
	}},
	vertexai(),
	foundry(),
	{Name: "bedrock", System: "aws.bedrock", Bare: "/model/{model}/converse", Endpoints: []Endpoint{
		{Outbound: bedrock.Dialect{}, Header: "Authorization", Prefix: "Bearer ", Locate: locateBedrock, SigV4: "bedrock"},
		bedrockOpenAI(),
	}},
	{Name: "ollama", System: "ollama", URL: "http://localhost:11434", Bare: "/chat/completions", Endpoints: []Endpoint{
		openAIAt("/v1"),
		{Outbound: ollama.Dialect{}, Header: "Authorization", Prefix: "Bearer ", Locate: locateOllama, Own: "/api"},
		anthropicAt("/v1"),
	}},
	{Name: "cohere", System: "cohere", URL: "https://api.cohere.com", Bare: "/v2/chat", Endpoints: []Endpoint{
		{Outbound: cohere.Dialect{}, Header: "Authorization", Prefix: "Bearer ", Locate: locateCohere},
		{Outbound: openai.Dialect{}, Base: "/compatibility/v1", Header: "Authorization", Prefix: "Bearer ", Locate: locateVersioned,
			Own: "/compatibility/v1", Asked: true},
	}},
	{Name: "demo", System: "demo", Bare: "/chat/completions", Endpoints: []Endpoint{
		openAIAt("/v1"),
		anthropicAt("/v1"),
		{Outbound: gemini.Dialect{}, Base: "/v1beta", Header: "X-Goog-Api-Key", Locate: locateGemini},
		{Outbound: ollama.Dialect{}, Header: "Authorization", Prefix: "Bearer ", Locate: locateOllama, Own: "/api"},
	}},
	compatible("groq", "groq", "https://api.groq.com", "/openai/v1"),
	compatible("deepseek", "deepseek", "https://api.deepseek.com", ""),
	compatible("xai", "x_ai", "https://api.x.ai", "/v1"),
	compatible("openrouter", "openrouter", "https://openrouter.ai", "/api/v1"),
	compatible("together", "together", "https://api.together.xyz", "/v1"),
	compatible("perplexity", "perplexity", "https://api.perplexity.ai", ""),
	compatible("cerebras", "cerebras", "https://api.cerebras.ai", "/v1"),
	compatible("fireworks", "fireworks", "https://api.fireworks.ai", "/inference/v1"),
	{Name: "mistral", System: "mistral_ai", URL: "https://api.mistral.ai", Bare: "/chat/completions", Endpoints: []Endpoint{
		{Outbound: mistral.Dialect{}, Base: "/v1", Header: "Authorization", Prefix: "Bearer ", Locate: locateVersioned, Adapt: mistral.Adapt},
	}},
	{Name: "writer", System: "writer", URL: "https://api.writer.com", Bare: "/chat", Endpoints: []Endpoint{
		{Outbound: writer.Dialect{}, Base: "/v1", Header: "Authorization", Prefix: "Bearer ", Locate: locateVersioned},
	}},
	compatible("moonshot", "moonshot_ai", "https://api.moonshot.ai", "/v1"),
	compatible("voyageai", "voyageai", "https://api.voyageai.com", "/v1"),
	compatible("huggingface", "huggingface", "https://router.huggingface.co", "/v1"),
	compatible("vllm", "vllm", "", "/v1"),
	{Name: "http", System: "http", Bare: "/", Plain: true, Endpoints: []Endpoint{
		{Outbound: openai.Dialect{}, Header: "Authorization", Prefix: "Bearer ", Locate: locatePlain},
	}},
}

// credentialHeaders are the headers in which clients of the dialects bring a credential.
var credentialHeaders = [...]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"}

// CredentialHeaders lists the headers in which clients bring a credential, canonical.
func CredentialHeaders() []string { return credentialHeaders[:] }

// suffixes are the paths of the APIs below a version, as clients of each dialect send them.
var suffixes = map[llm.API]string{
	llm.OpenAIChat:        "/chat/completions",
	llm.OpenAICompletions: "/completions",
	llm.OpenAIResponses:   "/responses",
	llm.OpenAIEmbeddings:  "/embeddings",
	llm.OpenAIImages:      "/images/generations",
	llm.AnthropicMessages: "/messages",
	llm.AnthropicComplete: "/complete",
	llm.MistralChat:       "/chat/completions",
	llm.MistralFIM:        "/fim/completions",
	llm.MistralEmbed:      "/embeddings",
	llm.WriterChat:        "/chat",
}

// locateVersioned is where OpenAI's and Anthropic's formats are served: below one base path that holds the version. A client
// that knows of no base, or of /v1, gets the provider's; one that brings another prefix knows what it does.
func locateVersioned(c Config, r Call) (string, string) {
	if r.Native {
		if suffix := suffixes[r.API]; suffix != "" {
			prefix := strings.TrimSuffix(r.Path, suffix)
			if r.API == llm.AnthropicMessages && prefix == r.Path {
				return c.Base + suffix, "" // the client means it for a cloud that has a path of its own
			}
			if prefix != "" && prefix != "/v1" && prefix != c.Base {
				return verbatim(c, r.Path), r.Query
			}
			return c.Base + suffix, r.Query
		}
		if c.Base != "" && within(r.Path, c.Base) {
			return r.Path, r.Query
		}
		if within(r.Path, "/v1") {
			return c.Base + strings.TrimPrefix(r.Path, "/v1"), r.Query
		}
		return c.Base + r.Path, r.Query
	}
	return c.Base + suffixes[r.API], ""
}

// verbatim keeps the client's path, below the base that configuration gave, if it gave one.
func verbatim(c Config, path string) string {
	if !c.Explicit || within(path, c.Base) {
		return path
	}
	return c.Base + path
}

// within reports whether path is base or below it.
func within(path, base string) bool {
	return strings.HasPrefix(path, base) && (len(path) == len(base) || path[len(base)] == '/')
}
