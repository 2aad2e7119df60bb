package gemini

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// carried are the fields that generateContent has a place for, some of them with limits that are looked at one by one.
var carried = []llm.Field{
	llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldFrequency, llm.FieldPresence, llm.FieldMaxTokens, llm.FieldSeed,
	llm.FieldStop, llm.FieldChoices, llm.FieldLogprobs, llm.FieldTopLogprobs, llm.FieldOutput, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldShowThinking, llm.FieldTools, llm.FieldToolChoice, llm.FieldImage,
	llm.FieldImageURL, llm.FieldDocument, llm.FieldDocumentURL, llm.FieldAudio, llm.FieldToolResultError, llm.FieldToolResultMedia,
	llm.FieldReasoning, llm.FieldSignature, llm.FieldContent,
}

// BuildRequest implements llm.Outbound for conversations and embeddings of other dialects.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if !r.Chats() && r.Op != llm.OpEmbeddings {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to a %s provider.", r.API, llm.Gemini)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, refuse(r.Field(llm.FieldMessages), "The request cannot be read: %v.", err)
	}
	b := builder{r: r, loss: loss, model: model, names: map[string]string{}}
	if r.Op == llm.OpEmbeddings {
		return b.embeddings(c)
	}
	if err := loss.Check(r, c, "Gemini's generateContent", carried...); err != nil {
		return "", nil, err
	}
	if err := b.contents(c); err != nil {
		return "", nil, err
	}
	b.tools(c)
	if err := b.config(c); err != nil {
		return "", nil, err
	}
	body, err := json.Marshal(&b.out)
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return llm.GeminiGenerate, body, nil
}

// refuse is the error for a request that is not one.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
	e.Param = param
	return e
}

// builder makes one request.
type builder struct {
	r     *llm.Request
	loss  *llm.Loss
	model string
	names map[string]string // of the functions, by call id
	out   generateContentRequest
}

func (b *builder) cannot(f llm.Field, why string) error { return b.loss.Field(b.r, f, why) }

// contents puts the messages in order: system text apart, and neighbours of one role joined, as turns have to alternate.
func (b *builder) contents(c *llm.Conversation) error {
	out := &b.out
	system, err := b.parts(c.System, "system")
	if err != nil {
		return err
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		parts, err := b.parts(m.Parts, fmt.Sprintf("messages[%d]", i))
		if err != nil {
			return err
		}
		role := "user"
		switch m.Role {
		case llm.RoleSystem:
			system = append(system, parts...)
			continue
		case llm.RoleAssistant:
			role = "model"
			b.sign(parts)
		}
		if len(parts) == 0 {
			continue
		}
		if n := len(out.Contents); n > 0 && out.Contents[n-1].Role == role {
			out.Contents[n-1].Parts = append(out.Contents[n-1].Parts, parts...)
		} else {
			out.Contents = append(out.Contents, content{Role: role, Parts: parts})
		}
	}
	if len(system) > 0 {
		out.SystemInstruction = &content{Parts: system}
	}
	if len(out.Contents) == 0 {
		return refuse(b.r.Field(llm.FieldMessages), "There has to be a message that is not a system message.")
	}
	return nil
}

// unsigned stands for the signature of a function call that no Gemini model made (Thought signatures, FAQs).
const unsigned = "skip_thought_signature_validator"

// sign marks the first function call of a model's turn: models from Gemini 3 on refuse one without a signature.
func (b *builder) sign(parts []part) {
	if how := thinks(b.model); how != byLevel && how != either {
		return
	}
	for i := range parts {
		if parts[i].FunctionCall != nil {
			if parts[i].ThoughtSignature == "" {
				parts[i].ThoughtSignature = unsigned
			}
			return
		}
	}
}

// parts translates the parts of one message, at says which, and notes the names of the functions that it calls.
func (b *builder) parts(parts []llm.Part, at string) ([]part, error) {
	var out []part
	signature := "" // of a part that is still to come
	for i := range parts {
		p := &parts[i]
		if p.Kind == llm.PartReasoning {
			if p.Data != "" {
				if err := b.cannot(llm.FieldSignature, "what another provider has encrypted cannot be read by Gemini"); err != nil {
					return nil, err
				}
			}
			if p.Text != "" {
				out = append(out, part{Text: &p.Text, Thought: true, ThoughtSignature: p.Signature})
			} else if p.Signature != "" {
				out = appendSignature(out, signature)
				signature = p.Signature
			}
			continue
		}
		t, ok, err := b.part(p, at, out)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if signature != "" && (t.FunctionCall != nil || !callFollows(parts[i+1:])) {
			t.ThoughtSignature, signature = signature, ""
		}
		out = append(out, t)
	}
	return appendSignature(out, signature), nil
}

// appendSignature appends a signature as Gemini itself sends one at the end of a stream.
func appendSignature(out []part, signature string) []part {
	if signature == "" {
		return out
	}
	return append(out, part{Text: new(string), ThoughtSignature: signature})
}

// callFollows reports whether a signature is that of a function call behind other parts: dialects that keep reasoning apart from
// text and calls do not say where it stood, and it is calls that need one.
func callFollows(parts []llm.Part) bool {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartToolCall:
			return true
		case llm.PartReasoning:
			if p.Text == "" && p.Signature != "" {
				return false
			}
		}
	}
	return false
}

// part translates p. ok is false when there is nothing to be put at the end of out: p may have gone into its last part.
func (b *builder) part(p *llm.Part, at string, out []part) (t part, ok bool, err error) {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		if fr := lastResponse(out); fr != nil {
			appendResult(fr, p.Text)
			return t, false, nil
		}
		return part{Text: &p.Text}, true, nil
	case llm.PartBlob:
		t.InlineData = &media{MIMEType: cmp.Or(p.MIME, sniff(p.Data)), Data: p.Data}
		if fr := lastResponse(out); fr != nil {
			if how := thinks(b.model); how != byLevel && how != either {
				return t, false, b.cannot(llm.FieldToolResultMedia, "Gemini models before Gemini 3 take text from tools alone")
			}
			fr.Parts = append(fr.Parts, t)
			return t, false, nil
		}
		return t, true, nil
	case llm.PartURI:
		if lastResponse(out) != nil {
			return t, false, b.cannot(llm.FieldToolResultMedia, "Gemini takes no URLs from tools")
		}
		t.FileData, err = b.file(p)
		return t, t.FileData != nil, err
	case llm.PartToolCall:
		args, err := dialect.Arguments(p, http.StatusBadRequest)
		if err != nil {
			return t, false, err
		}
		b.names[p.ID] = p.Name
		t.FunctionCall = &functionCall{ID: p.ID, Name: p.Name, Args: args}
		return t, true, nil
	case llm.PartToolResult:
		t.FunctionResponse, err = b.response(p, at)
		return t, t.FunctionResponse != nil, err
	}
	return t, false, b.cannot(llm.FieldContent, at+" holds content that Gemini has no form for")
}

// lastResponse is the function response that out ends with: what follows it in a tool's message belongs to it.
func lastResponse(out []part) *functionResponse {
	if n := len(out); n > 0 {
		return out[n-1].FunctionResponse
	}
	return nil
}

// sniff tells the MIME type of base64 data by its first bytes, for clients of a dialect that does not name it.
func sniff(data string) string {
	head, _ := base64.StdEncoding.DecodeString(data[:min(len(data), 64)]) // 48 bytes, or what of them is base64
	return http.DetectContentType(head)
}

// file translates a URI: of Google's Files API, of Cloud Storage, or any that is public (File input methods). Its MIME type is
// told by its name where the client did not tell, or said no more than image/*, since FileData needs one. It returns nil when
// the part is to be left out.
func (b *builder) file(p *llm.Part) (*media, error) {
	field := llm.FieldDocumentURL
	switch typ, _, _ := strings.Cut(p.MIME, "/"); typ {
	case "", "image":
		field = llm.FieldImageURL
	case "audio":
		field = llm.FieldAudio
	case "video":
		field = llm.FieldContent
	}
	u, err := url.Parse(p.URI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "gs" {
		return nil, b.cannot(field, "Gemini takes URLs of http, https and gs")
	}
	typ := p.MIME
	if typ == "" || strings.HasSuffix(typ, "/*") {
		typ, _, _ = strings.Cut(mime.TypeByExtension(path.Ext(u.Path)), ";")
	}
	if typ == "" {
		return nil, b.cannot(field, "Gemini has to be told the file's media type, and its URL does not show it: send the data instead")
	}
	return &media{MIMEType: typ, FileURI: p.URI}, nil
}

// response wraps a result that is not an object, as FunctionResponse asks: under output, or error.
func (b *builder) response(p *llm.Part, at string) (*functionResponse, error) {
	name := cmp.Or(p.Name, b.names[p.ID])
	if name == "" {
		return nil, refuse(b.r.Field(llm.FieldMessages), "%s answers a tool call that no message before it makes.", at)
	}
	fr := &functionResponse{ID: p.ID, Name: name, Response: json.RawMessage(p.Text)}
	if p.IsError || jsonscan.KindOf(fr.Response) != jsonscan.Dict || jsonscan.Validate(fr.Response) != nil {
		key := "output"
		if p.IsError {
			key = "error"
		}
		fr.Response = wrap(key, p.Text)
	}
	return fr, nil
}

func wrap(key, text string) json.RawMessage {
	raw := append(jsonscan.AppendString([]byte("{"), key), ':')
	return append(jsonscan.AppendString(raw, text), '}')
}

// appendResult appends more text to a tool's result.
func appendResult(fr *functionResponse, text string) {
	var key string
	var value []byte
	n := 0
	each(fr.Response, func(k string, v []byte) { key, value, n = k, v, n+1 })
	if n == 1 && (key == "output" || key == "error") && jsonscan.KindOf(value) == jsonscan.Text {
		fr.Response = wrap(key, jsonscan.String(value)+text)
		return
	}
	fr.Response = wrap("output", string(fr.Response)+text)
}

func (b *builder) tools(c *llm.Conversation) {
	var t tool
	for i := range c.Tools {
		if c.Tools[i].Raw == nil { // what is no function has been refused, or may be dropped
			t.FunctionDeclarations = append(t.FunctionDeclarations, functionDeclaration{
				Name: c.Tools[i].Name, Description: c.Tools[i].Description, ParametersJSONSchema: c.Tools[i].Schema,
			})
		}
	}
	if len(t.FunctionDeclarations) == 0 {
		return
	}
	b.out.Tools = []tool{t}
	mode := functionCallingConfig{}
	switch c.ToolChoice {
	case "auto":
		mode.Mode = "AUTO"
	case "none":
		mode.Mode = "NONE"
	case "required":
		mode.Mode = "ANY"
	case "tool":
		mode.Mode, mode.AllowedFunctionNames = "ANY", []string{c.ToolChoiceName}
	default:
		return
	}
	b.out.ToolConfig = &toolConfig{mode}
}
