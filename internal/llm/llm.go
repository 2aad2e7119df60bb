// Package llm is the neutral model of one LLM call: what a client asked for, what a provider answered, and the two
// interfaces through which a wire format (a dialect) is read and written.
//
// A data plane hands the client's body to an [Inbound] dialect and gets a [Request]. An [Outbound] dialect locates and
// builds what the provider receives and reads its answer as a sequence of [Event] values; a [Result] folds them. Events carry
// the bytes they came from, so that traffic which needs no translation reaches the client verbatim.
//
// The package imports nothing but the standard library and the scanner of internal/jsonscan.
package llm

import (
	"net/http"
	"strings"
)

// Op is the operation as gen_ai.operation.name names it (semantic conventions, GenAI spans).
type Op string

// The operations. ImageGeneration has no name of its own in the conventions; generate_content is theirs for mixed output.
const (
	OpChat            Op = "chat"
	OpTextCompletion  Op = "text_completion"
	OpGenerateContent Op = "generate_content"
	OpEmbeddings      Op = "embeddings"
	OpRerank          Op = "rerank" // our own word: the conventions have none
)

// Dialect names a family of wire formats.
type Dialect string

// The dialects.
const (
	OpenAI    Dialect = "openai"
	Anthropic Dialect = "anthropic"
	Gemini    Dialect = "gemini" // Gemini API and Vertex AI
	Ollama    Dialect = "ollama" // Ollama's native API
	Bedrock   Dialect = "bedrock"
	Cohere    Dialect = "cohere"
	Mistral   Dialect = "mistral"
	WriterAI  Dialect = "writer"
)

// API is one endpoint's wire format: a dialect and a kind of call.
type API string

// The APIs that are understood. Everything else under a route passes through untouched.
const (
	OpenAIChat        API = "openai.chat"
	OpenAICompletions API = "openai.completions"
	OpenAIResponses   API = "openai.responses"
	OpenAIEmbeddings  API = "openai.embeddings"
	OpenAIImages      API = "openai.images"
	AnthropicMessages API = "anthropic.messages"
	AnthropicComplete API = "anthropic.complete"
	GeminiGenerate    API = "gemini.generate_content"
	GeminiEmbed       API = "gemini.embeddings"       // batchEmbedContents of clients too
	GeminiBatchEmbed  API = "gemini.batch_embeddings" // what a request for several embeddings is translated to
	OllamaChat        API = "ollama.chat"
	OllamaGenerate    API = "ollama.generate"
	OllamaEmbed       API = "ollama.embeddings"
	BedrockConverse   API = "bedrock.converse" // ConverseStream too
	BedrockInvoke     API = "bedrock.invoke"   // InvokeModelWithResponseStream too
	CohereChatV1      API = "cohere.chat_v1"
	CohereChat        API = "cohere.chat" // v2
	CohereGenerate    API = "cohere.generate"
	CohereEmbedV1     API = "cohere.embed_v1"
	CohereEmbed       API = "cohere.embed"  // v2
	CohereRerank      API = "cohere.rerank" // v1 and v2
	MistralChat       API = "mistral.chat"
	MistralFIM        API = "mistral.fim"
	MistralEmbed      API = "mistral.embeddings"
	WriterChat        API = "writer.chat"
)

// Head is the head of an HTTP request or response, with the parts that its direction has.
type Head struct {
	Method string
	Path   string // escaped path, the route's prefix removed; "" or "/" is the bare prefix
	Query  string // raw query, without "?"
	Status int
	Header http.Header
	// UntilClose is true for a response whose body ends with its connection: nothing else tells its end from a cut.
	UntilClose bool
}

// Call is what policies see of one call. It is data only and belongs to one goroutine at a time.
type Call struct {
	ID        string // 16 lower-case hexadecimal digits, unique in the process
	Route     string
	Principal string
	Head      Head
	Request   *Request // nil for a path that no dialect accepts
}

// Opt is a value that may be absent. The zero value is absent.
type Opt[T any] struct {
	V   T
	Set bool
}

// Some returns a present v.
func Some[T any](v T) Opt[T] { return Opt[T]{V: v, Set: true} }

// Params are the request parameters that telemetry reports, each only as sent.
type Params struct {
	Temperature        Opt[float64]
	TopP               Opt[float64]
	TopK               Opt[float64] // whole for every provider but sent as a float by some clients
	FrequencyPenalty   Opt[float64]
	PresencePenalty    Opt[float64]
	MaxTokens          Opt[int64]
	Seed               Opt[int64]
	ChoiceCount        Opt[int64] // absent when 1
	Dimensions         Opt[int64] // of embeddings, as asked for
	Stop               []string
	EncodingFormats    []string
	OutputType         string // json, text, image or speech, when a format was asked for
	ReasoningLevel     string
	ServiceTier        string // "" when auto
	ConversationID     string
	PreviousResponseID string
}

// Effort is ReasoningLevel in the lower case that all providers' documents have it in: Gemini's enum is in capitals.
func (p *Params) Effort() string { return strings.ToLower(p.ReasoningLevel) }

// Usage is token counts as the provider reported them, in the conventions' sense: Input includes cached tokens, Output
// includes reasoning. Absent counts were not reported.
type Usage struct {
	Input      Opt[int64]
	Output     Opt[int64]
	CacheRead  Opt[int64]
	CacheWrite Opt[int64]
	Reasoning  Opt[int64]
}

// Clear forgets every count.
func (u *Usage) Clear() { *u = Usage{} }

// IsZero reports whether nothing was reported.
func (u *Usage) IsZero() bool { return *u == Usage{} }
