package llm

import "slices"

// Request is one parsed LLM request. Only what one scan of the body yields is filled in; the conversation is decoded when
// somebody asks for it. A Request belongs to one goroutine at a time.
type Request struct {
	API     API
	Dialect Dialect
	Op      Op
	Model   string // as the client named it, from the body or the path; "" when it named none
	Stream  bool
	Params  Params

	// Raw is the body as received, or as the last edit left it. It must not be changed in place.
	Raw []byte
	// ModelAt is where the JSON string of the model (quotes included) stands in Raw, {0,0} when it is not in the body.
	ModelAt [2]int
	// StreamUsage is true for a stream whose request asks that usage be reported, or whose API always reports it.
	StreamUsage bool
	// StreamArray is true for a stream that the client takes as one JSON array (Gemini without alt=sse).
	StreamArray bool
	// StreamSSE is true for a stream that the client takes as server-sent events where its API knows another framing too (Cohere).
	StreamSSE bool
	// Stale is true after Replace: whoever runs the policies parses Raw again.
	Stale bool

	codec        Codec
	conversation *Conversation
}

// Chats reports whether r is a conversation, which every chat API can take up: Op is chat, or generate_content, as the
// conventions call Gemini's.
func (r *Request) Chats() bool { return r.Op == OpChat || r.API == GeminiGenerate }

// Codec is a dialect's lazy view of request bodies of one API.
type Codec interface {
	// Conversation decodes the messages and tools of body.
	Conversation(body []byte) (*Conversation, error)
	// EditText calls edit for every piece of text in body that a person or a model wrote (messages, system text, prompts,
	// reasoning, the strings in the arguments of tool calls, the results of tools; not tool definitions), in the order of
	// the body, and returns body with the replacements made and every other byte as it was. It
	// returns body itself when nothing changed.
	EditText(body []byte, edit TextEdit) ([]byte, error)
	// Enrich returns body with before put in front of the conversation and after behind it, in the API's own form, and every other byte
	// as it was: instructions go where the API has them. An API whose requests are prompts gets them as text. It fails with an
	// *llm.Error where they have no place.
	Enrich(body []byte, before, after []Turn) ([]byte, error)
	// Field is what the API calls f: the path of a member of its requests, such as generationConfig.topP.
	Field(f Field) string
}

// TextEdit returns the text to put in place of text, and whether it differs.
type TextEdit func(role Role, text string) (string, bool)

// NewRequest returns an empty request whose body is read through codec.
func NewRequest(api API, d Dialect, op Op, raw []byte, codec Codec) *Request {
	return &Request{API: api, Dialect: d, Op: op, Raw: raw, codec: codec}
}

// Conversation decodes the messages and tools once and keeps them until the next edit. The result must not be changed.
func (r *Request) Conversation() (*Conversation, error) {
	if r.conversation != nil {
		return r.conversation, nil
	}
	c, err := r.codec.Conversation(r.Raw)
	if err != nil {
		return nil, err
	}
	r.conversation = c
	return c, nil
}

// EditText applies edit to every text of the request and reports whether anything changed. Offsets into Raw are
// recomputed by the dialect that parses it again: ModelAt is cleared when Raw changed.
func (r *Request) EditText(edit TextEdit) (changed bool, err error) {
	b, err := r.codec.EditText(r.Raw, func(role Role, text string) (string, bool) {
		s, ok := edit(role, text)
		changed = changed || ok
		return s, ok
	})
	if err != nil || !changed {
		return false, err
	}
	r.Raw, r.conversation, r.ModelAt = b, nil, [2]int{}
	return true, nil
}

// Enrich puts before in front of the conversation and after behind it.
func (r *Request) Enrich(before, after []Turn) error {
	b, err := r.codec.Enrich(r.Raw, before, after)
	if err != nil {
		return err
	}
	r.Raw, r.conversation, r.ModelAt = b, nil, [2]int{}
	return nil
}

// Replace puts body in the place of Raw, and notes that nothing which was parsed holds any more.
func (r *Request) Replace(body []byte) {
	r.Raw, r.conversation, r.ModelAt, r.Stale = body, nil, [2]int{}, true
}

// Field is what the API of r calls f.
func (r *Request) Field(f Field) string { return r.codec.Field(f) }

// Role says who speaks.
type Role string

// The roles of the conventions' message schema.
const (
	RoleSystem    Role = "system" // also OpenAI's developer role
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Turn is what configuration has somebody say: text of a role, which is system, developer, user or assistant.
type Turn struct{ Role, Text string }

// Conversation is the neutral form of what a request says beside its Params: what translations and captures need, and what
// telemetry does not report of every call.
type Conversation struct {
	System   []Part // text that the API separates from the messages
	Messages []Message
	Tools    []Tool
	// ToolChoice is "", "auto", "none", "required" (some tool) or "tool" (ToolChoiceName).
	ToolChoice        string
	ToolChoiceName    string
	ParallelToolCalls Opt[bool]
	// OutputSchema is the JSON Schema that the answer has to follow; nil when none was asked for.
	OutputSchema []byte
	OutputName   string    // of the schema, where the API names it
	OutputStrict Opt[bool] // of the schema, as sent
	User         string    // the end user's id, when given

	// Thinking says whether the model is to reason, as far as the request does: "on", "off", or "" = as the model is used to.
	// A level is in Params.ReasoningLevel.
	Thinking       string
	ThinkingBudget Opt[int64] // tokens
	ShowThinking   Opt[bool]  // whether the reasoning, or a summary of it, is part of the answer
	Logprobs       bool       // log probabilities of the answer's tokens are asked for
	TopLogprobs    Opt[int64] // alternatives per token

	Inputs    [][]Part // of embeddings: what each vector is made of
	InputType string   // of embeddings: what they are for, one of the InputType constants, else the client's own word

	// Extra is what the request asks for that has no neutral form, so that no other dialect can carry it. Members that say
	// no more than their absence does (null, a documented default) are not among it.
	Extra []Extra
}

// HasFunction reports whether there is a function among the tools: other tools are untranslatable.
func (c *Conversation) HasFunction() bool {
	return slices.ContainsFunc(c.Tools, func(t Tool) bool { return t.Raw == nil })
}

// ThinkingField is the field by which a request whose reasoning is off turns it off: an effort of none does too.
func (c *Conversation) ThinkingField() Field {
	if c.Thinking == "" {
		return FieldEffort
	}
	return FieldThinking
}

// Extra is a member of a request without a neutral form.
type Extra struct {
	Field string // its path in the client's request, such as logit_bias or generationConfig.speechConfig
	Raw   []byte // its JSON
}

// What embeddings are for (Cohere's input_type, Gemini's taskType).
const (
	InputSearchDocument = "search_document"
	InputSearchQuery    = "search_query"
	InputClassification = "classification"
	InputClustering     = "clustering"
	InputSimilarity     = "similarity"
)

// Message is one turn.
type Message struct {
	Role  Role
	Name  string
	Parts []Part
	// Finish is the finish reason, in messages of a response.
	Finish string
}

// Tool is one function that the model may call.
type Tool struct {
	Name, Description string
	Schema            []byte // JSON Schema of the arguments; nil when none was given
	Strict            Opt[bool]
	// Raw is the tool's own JSON when it is not a function (a provider's server-side tool): untranslatable.
	Raw   []byte
	Cache string // as Part.Cache
}

// PartKind is what a Part holds.
type PartKind uint8

// The kinds of part, after the conventions' message schema.
const (
	PartText       PartKind = iota // Text
	PartReasoning                  // Text; Signature where the provider signs it; Data = what only the provider can read
	PartRefusal                    // Text
	PartToolCall                   // ID, Name, Text = arguments (JSON, or a fragment of it in a streamed event)
	PartToolResult                 // ID, Name where the API joins by name, Text; other content follows as parts of its own
	PartBlob                       // MIME, Data (base64 text)
	PartURI                        // MIME, URI
	PartFile                       // ID of an uploaded file
	PartServerTool                 // ID, Name, Text: a tool that ran on the provider's side
	PartOther                      // Name = the provider's type, Raw = its JSON
)

// Part is one piece of content.
type Part struct {
	Kind   PartKind
	Choice int // responses: index of the choice
	// Index joins the fragments of one part in a stream: the content block, output item or tool call within its choice.
	Index     int
	Text      string
	ID        string
	Name      string
	MIME      string
	URI       string
	Data      string
	Signature string
	IsError   bool // of a tool result
	// Cache marks the end of what the provider is to cache of the prompt: for how long, as Anthropic's ttl ("5m", "1h"), or
	// "default" where the request does not say; "" = no mark.
	Cache string
	// Detail is how closely an image is to be looked at (OpenAI's detail: auto, low, high); "" = not said.
	Detail string
	// Logprobs are those of the tokens of a response's text, where the provider gave them. Whoever changes Text drops them.
	Logprobs []Logprob
	// Repeat marks text of a response that earlier events already told in fragments, as the closing events of OpenAI's
	// Responses API do: it may be edited where it stands, and is not new content. So may a text beside the answer, such as what
	// it cites, whose Choice is Aside.
	Repeat bool
	Raw    []byte
}

// Aside is the Choice of a Part that belongs to no choice's content: it stands beside the answer.
const Aside = -1

// Logprob is the log probability of one token.
type Logprob struct {
	Token   string
	Logprob float64
	Bytes   []byte    // the token's bytes; nil = not told
	Top     []Logprob // the most likely tokens in its place, without Top of their own
}
