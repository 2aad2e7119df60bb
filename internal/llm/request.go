package llm

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

	codec        Codec
	conversation *Conversation
}

// Codec is a dialect's lazy view of request bodies of one API.
type Codec interface {
	// Conversation decodes the messages and tools of body.
	Conversation(body []byte) (*Conversation, error)
	// EditText calls edit for every piece of natural-language text in body (messages, system text, prompts, tool results;
	// not tool definitions), in order, and returns body with the replacements made and every other byte as it was. It
	// returns body itself when nothing changed.
	EditText(body []byte, edit TextEdit) ([]byte, error)
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

// Role says who speaks.
type Role string

// The roles of the conventions' message schema.
const (
	RoleSystem    Role = "system" // also OpenAI's developer role
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Conversation is the neutral form of a chat request's content.
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
	User         string // the end user's id, when given
}

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
	Raw []byte
}

// PartKind is what a Part holds.
type PartKind uint8

// The kinds of part, after the conventions' message schema.
const (
	PartText       PartKind = iota // Text
	PartReasoning                  // Text; Signature where the provider signs it
	PartRefusal                    // Text
	PartToolCall                   // ID, Name, Text = arguments (JSON, or a fragment of it in a streamed event)
	PartToolResult                 // ID, Text
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
	// Repeat marks text of a response that earlier events already told in fragments, as the closing events of OpenAI's
	// Responses API do: it may be edited where it stands, and is not new content.
	Repeat bool
	Raw    []byte
}
