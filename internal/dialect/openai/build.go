package openai

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound: every conversation becomes a chat completion.
func (Dialect) BuildRequest(r *llm.Request, model string, _ *llm.Loss) (llm.API, []byte, error) {
	if r.Op == llm.OpEmbeddings || r.API == llm.OpenAIImages {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
			"The provider behind this route speaks OpenAI's API, to which only conversations can be translated.")
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	b := builder{dst: []byte{'{'}}
	b.str("model", model)
	if err := b.messages(c); err != nil {
		return "", nil, err
	}
	if err := b.tools(c); err != nil {
		return "", nil, err
	}
	b.params(&r.Params, model)
	switch {
	case c.OutputSchema != nil:
		b.raw("response_format", `{"type":"json_schema","json_schema":{"name":"answer","schema":`)
		b.dst = append(append(b.dst, c.OutputSchema...), "}}"...)
	case r.Params.OutputType == "json":
		b.raw("response_format", `{"type":"json_object"}`)
	}
	if r.Stream {
		b.raw("stream", "true")
		if r.StreamUsage {
			b.raw("stream_options", `{"include_usage":true}`)
		}
	}
	if c.User != "" {
		b.str("user", c.User)
	}
	return llm.OpenAIChat, append(b.dst, '}'), nil
}

// builder appends the members of an object.
type builder struct {
	dst   []byte
	calls []pending
}

// pending is a tool call that was appended and may get its result.
type pending struct {
	id, name string
	answered bool
}

func (b *builder) key(k string)       { b.dst = appendMember(b.dst, k) }
func (b *builder) raw(k, json string) { b.key(k); b.dst = append(b.dst, json...) }
func (b *builder) str(k, s string)    { b.key(k); b.dst = jsonscan.AppendString(b.dst, s) }

func (b *builder) float(k string, o llm.Opt[float64]) {
	if o.Set {
		b.key(k)
		b.dst = strconv.AppendFloat(b.dst, o.V, 'g', -1, 64)
	}
}

func (b *builder) int(k string, o llm.Opt[int64]) {
	if o.Set {
		b.key(k)
		b.dst = strconv.AppendInt(b.dst, o.V, 10)
	}
}

// params appends what chat completions has of p: top_k is not among it.
func (b *builder) params(p *llm.Params, model string) {
	b.float("temperature", p.Temperature)
	b.float("top_p", p.TopP)
	b.float("frequency_penalty", p.FrequencyPenalty)
	b.float("presence_penalty", p.PresencePenalty)
	b.int(maxTokens(model), p.MaxTokens)
	b.int("seed", p.Seed)
	b.int("n", p.ChoiceCount)
	if p.ReasoningLevel != "" {
		b.str("reasoning_effort", p.ReasoningLevel)
	}
	if len(p.Stop) == 0 {
		return
	}
	b.raw("stop", "[")
	for i, s := range p.Stop {
		b.comma(i)
		b.dst = jsonscan.AppendString(b.dst, s)
	}
	b.dst = append(b.dst, ']')
}

// maxTokens is the member that bounds the answer. Compatible hosts know max_tokens; OpenAI's reasoning models refuse it (API
// reference, max_completion_tokens).
func maxTokens(model string) string {
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5"} {
		if strings.HasPrefix(model, prefix) {
			return "max_completion_tokens"
		}
	}
	return "max_tokens"
}

func (b *builder) comma(i int) {
	if i > 0 {
		b.dst = append(b.dst, ',')
	}
}

func (b *builder) messages(c *llm.Conversation) error {
	b.raw("messages", "[")
	n := 0
	if len(c.System) > 0 {
		if err := b.message(llm.RoleSystem, "", c.System); err != nil {
			return err
		}
		n++
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		// Results of tools are messages of their own.
		var rest []llm.Part
		for j := range m.Parts {
			if p := &m.Parts[j]; p.Kind == llm.PartToolResult {
				b.comma(n)
				b.result(p)
				n++
			} else {
				rest = append(rest, *p)
			}
		}
		if len(rest) == 0 && len(m.Parts) > 0 {
			continue
		}
		b.comma(n)
		if err := b.message(m.Role, m.Name, rest); err != nil {
			return err
		}
		n++
	}
	b.dst = append(b.dst, ']')
	return nil
}

// callID is the id of a tool call. Dialects that join calls and results by name (Gemini, Ollama) have none: it is made up.
func (b *builder) callID(p *llm.Part) string {
	id := p.ID
	if id == "" {
		id = "call_" + strconv.Itoa(len(b.calls))
	}
	b.calls = append(b.calls, pending{id: id, name: p.Name})
	return id
}

// resultID is the id of the call that p is the result of: its own, else that of the first call of its name without one.
func (b *builder) resultID(p *llm.Part) string {
	for i := range b.calls {
		c := &b.calls[i]
		if !c.answered && (p.ID == c.id || p.ID == "" && p.Name == c.name) {
			c.answered = true
			return c.id
		}
	}
	return p.ID
}

func (b *builder) result(p *llm.Part) {
	b.dst = append(b.dst, '{')
	b.str("role", "tool")
	b.str("tool_call_id", b.resultID(p))
	b.str("content", p.Text)
	b.dst = append(b.dst, '}')
}

// message appends one message: reasoning is left out, for chat completions does not take it back.
func (b *builder) message(role llm.Role, name string, parts []llm.Part) error {
	b.dst = append(b.dst, '{')
	b.str("role", string(role))
	if name != "" {
		b.str("name", name)
	}
	var content []llm.Part
	var calls []*llm.Part
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartToolCall:
			calls = append(calls, p)
		case llm.PartReasoning:
		case llm.PartRefusal:
			b.str("refusal", p.Text)
		default:
			content = append(content, *p)
		}
	}
	switch {
	case len(content) == 1 && content[0].Kind == llm.PartText:
		b.str("content", content[0].Text)
	case len(content) > 0:
		b.raw("content", "[")
		for i := range content {
			b.comma(i)
			if err := b.part(&content[i]); err != nil {
				return err
			}
		}
		b.dst = append(b.dst, ']')
	case role == llm.RoleAssistant:
		b.raw("content", "null")
	default:
		b.str("content", "")
	}
	for i, p := range calls {
		if i == 0 {
			b.raw("tool_calls", "[")
		}
		b.comma(i)
		args := p.Text
		if args == "" {
			args = "{}"
		}
		b.dst = appendCall(b.dst, b.callID(p), p.Name, args)
	}
	if len(calls) > 0 {
		b.dst = append(b.dst, ']')
	}
	b.dst = append(b.dst, '}')
	return nil
}

func (b *builder) part(p *llm.Part) error {
	var typ, key, value, format string
	mime := p.MIME
	if p.Kind == llm.PartBlob && mime == "" {
		mime = imageType(p.Data)
	}
	switch {
	case p.Kind == llm.PartText:
		b.dst = append(b.dst, `{"type":"text","text":`...)
		b.dst = append(jsonscan.AppendString(b.dst, p.Text), '}')
		return nil
	case p.Kind == llm.PartBlob && isImage(mime):
		typ, key, value = "image_url", "url", "data:"+mime+";base64,"+p.Data
	case p.Kind == llm.PartURI && (p.MIME == "" || isImage(p.MIME)):
		typ, key, value = "image_url", "url", p.URI
	case p.Kind == llm.PartBlob && audioFormat(p.MIME) != "":
		typ, key, value, format = "input_audio", "data", p.Data, audioFormat(p.MIME)
	case p.Kind == llm.PartBlob && p.MIME == "application/pdf":
		typ, key, value = "file", "file_data", "data:"+p.MIME+";base64,"+p.Data
	case p.Kind == llm.PartFile:
		typ, key, value = "file", "file_id", p.ID
	default:
		return untranslatable("content of type "+partType(p), "messages")
	}
	b.dst = append(b.dst, '{')
	b.str("type", typ)
	b.raw(typ, "{")
	b.str(key, value)
	if format != "" {
		b.str("format", format)
	}
	if typ == "file" && p.Name != "" {
		b.str("filename", p.Name)
	}
	b.dst = append(b.dst, "}}"...)
	return nil
}

func isImage(mime string) bool { return strings.HasPrefix(mime, "image/") }

// imageType is the media type of an image in base64 by its first bytes, for Ollama names none; "" for what is none.
func imageType(data string) string {
	head, err := base64.StdEncoding.DecodeString(data[:min(len(data), 64)&^3])
	if mime := http.DetectContentType(head); err == nil && isImage(mime) {
		return mime
	}
	return ""
}

// audioFormat is the format of input_audio, "" for a media type that it does not take.
func audioFormat(mime string) string {
	switch mime {
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav"
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	}
	return ""
}

func partType(p *llm.Part) string {
	if p.MIME != "" {
		return p.MIME
	}
	return strconv.Quote(p.Name)
}

func untranslatable(what, param string) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, invalidRequest, "The provider behind this route does not take %s.", what)
	e.Param = param
	return e
}

func (b *builder) tools(c *llm.Conversation) error {
	for i := range c.Tools {
		t := &c.Tools[i]
		if t.Raw != nil {
			return untranslatable("the tool "+strconv.Quote(t.Name), "tools")
		}
		if i == 0 {
			b.raw("tools", "[")
		}
		b.comma(i)
		b.tool(t)
	}
	if len(c.Tools) == 0 {
		return nil
	}
	b.dst = append(b.dst, ']')
	switch c.ToolChoice {
	case "":
	case "tool":
		b.raw("tool_choice", `{"type":"function","function":{`)
		b.str("name", c.ToolChoiceName)
		b.dst = append(b.dst, "}}"...)
	default:
		b.str("tool_choice", c.ToolChoice)
	}
	if c.ParallelToolCalls.Set {
		b.raw("parallel_tool_calls", strconv.FormatBool(c.ParallelToolCalls.V))
	}
	return nil
}

func (b *builder) tool(t *llm.Tool) {
	b.dst = append(b.dst, '{')
	b.str("type", "function")
	b.raw("function", "{")
	b.str("name", t.Name)
	if t.Description != "" {
		b.str("description", t.Description)
	}
	if t.Schema != nil {
		b.raw("parameters", string(t.Schema))
	}
	if t.Strict.Set {
		b.raw("strict", strconv.FormatBool(t.Strict.V))
	}
	b.dst = append(b.dst, "}}"...)
}
