package openai

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

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
		// Results of tools are messages of their own. Content beside them in a tool's message was found to have no place.
		var rest []llm.Part
		for j := range m.Parts {
			if p := &m.Parts[j]; p.Kind == llm.PartToolResult {
				b.comma(n)
				b.result(p)
				n++
			} else if m.Role != llm.RoleTool {
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

// message appends one message. Reasoning is left out of it: the check has told of it.
func (b *builder) message(role llm.Role, name string, parts []llm.Part) error {
	b.dst = append(b.dst, '{')
	b.str("role", string(role))
	if name != "" {
		b.str("name", name)
	}
	var content, calls []*llm.Part
	refusal := ""
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartToolCall:
			calls = append(calls, p)
		case llm.PartReasoning:
		case llm.PartRefusal:
			refusal += p.Text
		case llm.PartText:
			content = append(content, p)
		default:
			ok, err := b.takes(role, p)
			if err != nil {
				return err
			}
			if ok {
				content = append(content, p)
			}
		}
	}
	if refusal != "" {
		b.str("refusal", refusal)
	}
	b.content(role, content)
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

func (b *builder) content(role llm.Role, content []*llm.Part) {
	switch {
	case len(content) == 1 && content[0].Kind == llm.PartText:
		b.str("content", content[0].Text)
	case len(content) > 0:
		b.raw("content", "[")
		for i, p := range content {
			b.comma(i)
			b.part(p)
		}
		b.dst = append(b.dst, ']')
	case role == llm.RoleAssistant:
		b.raw("content", "null")
	default:
		b.str("content", "")
	}
}

// takes reports whether a message of role takes p, which is no text, and tells the loss of it when not (API reference, the
// content parts of user messages).
func (b *builder) takes(role llm.Role, p *llm.Part) (bool, error) {
	const inUser = "OpenAI's chat completions takes it in messages of the user only"
	user := role == llm.RoleUser
	switch mime := mediaType(p); {
	case p.Kind == llm.PartFile && b.r.Dialect == llm.OpenAI:
		if user && !isImage(mime) {
			return true, nil
		}
		return false, b.loss.Field(b.r, llm.FieldFile, "OpenAI's chat completions takes the ids of documents in messages of the user only")
	case p.Kind == llm.PartBlob && mime == "":
		return false, b.loss.Field(b.r, llm.FieldImage, "it is no image whose format its first bytes tell")
	case p.Kind == llm.PartBlob && isImage(mime):
		return user, b.unless(user, llm.FieldImage, inUser)
	case p.Kind == llm.PartURI && (mime == "" || isImage(mime)):
		if !user {
			return false, b.loss.Field(b.r, llm.FieldImageURL, inUser)
		}
		web := strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://") || strings.HasPrefix(p.URI, "data:")
		return web, b.unless(web, llm.FieldImageURL, "OpenAI's chat completions fetches images over HTTP only")
	case p.Kind == llm.PartBlob && strings.HasPrefix(mime, "audio/"):
		if !user {
			return false, b.loss.Field(b.r, llm.FieldAudio, inUser)
		}
		ok := audioFormat(mime) != ""
		return ok, b.unless(ok, llm.FieldAudio, "OpenAI's chat completions takes WAV and MP3, not "+mime)
	case p.Kind == llm.PartURI && strings.HasPrefix(mime, "audio/"):
		return false, b.loss.Field(b.r, llm.FieldAudio, "OpenAI's chat completions takes audio as base64 only")
	case p.Kind == llm.PartBlob && !strings.HasPrefix(mime, "video/"):
		ok := user && mime == "application/pdf"
		return ok, b.unless(ok, llm.FieldDocument, "OpenAI's chat completions takes PDF in messages of the user, not "+mime)
	}
	return false, nil // the check has told of it
}

func (b *builder) unless(ok bool, f llm.Field, why string) error {
	if ok {
		return nil
	}
	return b.loss.Field(b.r, f, why)
}

// mediaType is the media type of p; that of data without one is found in the data, for Ollama names none.
func mediaType(p *llm.Part) string {
	if p.Kind == llm.PartBlob && p.MIME == "" {
		return imageType(p.Data)
	}
	return p.MIME
}

// part appends p, which takes has found to have a place, or a text.
func (b *builder) part(p *llm.Part) {
	b.dst = append(b.dst, '{')
	mime := mediaType(p)
	data := func() string { return "data:" + mime + ";base64," + p.Data }
	switch {
	case p.Kind == llm.PartText:
		b.str("type", "text")
		b.str("text", p.Text)
		b.dst = append(b.dst, '}')
		return
	case p.Kind == llm.PartFile:
		b.open("file", "file_id", p.ID)
	case p.Kind == llm.PartURI:
		b.open("image_url", "url", p.URI)
	case isImage(mime):
		b.open("image_url", "url", data())
	case strings.HasPrefix(mime, "audio/"):
		b.open("input_audio", "data", p.Data)
		b.str("format", audioFormat(mime))
	default:
		b.open("file", "file_data", data())
		if p.Name != "" {
			b.str("filename", p.Name)
		}
	}
	if p.Detail != "" && (p.Kind == llm.PartURI || isImage(mime)) {
		b.str("detail", p.Detail)
	}
	b.dst = append(b.dst, "}}"...)
}

// open appends the type of a part and begins the object of that name with its first member.
func (b *builder) open(typ, key, value string) {
	b.str("type", typ)
	b.raw(typ, "{")
	b.str(key, value)
}

func isImage(mime string) bool { return strings.HasPrefix(mime, "image/") }

// imageType is the media type of an image in base64 by its first bytes; "" for what is none.
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
