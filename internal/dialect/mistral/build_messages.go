package mistral

import (
	"cmp"
	"hash/fnv"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// messages translates the conversation. Each result of a tool is a message of its own, which its caller's message precedes.
func (b *builder) messages() error {
	if len(b.c.System) > 0 {
		if err := b.message(&llm.Message{Role: llm.RoleSystem, Parts: b.c.System}); err != nil {
			return err
		}
	}
	for i := range b.c.Messages {
		m := &b.c.Messages[i]
		rest := *m
		rest.Parts = nil
		for j := 0; j < len(m.Parts); j++ {
			if m.Parts[j].Kind != llm.PartToolResult {
				rest.Parts = append(rest.Parts, m.Parts[j])
				continue
			}
			end := j + 1
			if m.Role == llm.RoleTool { // what follows belongs to the result
				for end < len(m.Parts) && m.Parts[end].Kind != llm.PartToolResult {
					end++
				}
			}
			if err := b.result(m.Parts[j:end]); err != nil {
				return err
			}
			j = end - 1
		}
		if len(rest.Parts) == 0 && len(m.Parts) > 0 {
			continue
		}
		if err := b.message(&rest); err != nil {
			return err
		}
	}
	if n := len(b.out.Messages); n > 0 && b.out.Messages[n-1].Role == string(llm.RoleAssistant) {
		b.out.Messages[n-1].Prefix = true // without it Mistral refuses an assistant's last word
	}
	return nil
}

func (b *builder) message(m *llm.Message) error {
	out := message{Role: string(m.Role)}
	var chunks []chunk
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == llm.PartToolCall {
			out.ToolCalls = append(out.ToolCalls, toolCall{ID: b.ids.call(p), Type: "function", Index: len(out.ToolCalls),
				Function: functionCall{Name: p.Name, Arguments: cmp.Or(p.Text, "{}")}})
			continue
		}
		c, err := b.chunk(p)
		if err != nil {
			return err
		}
		if c != nil {
			chunks = append(chunks, *c)
		}
	}
	out.Content = content(chunks)
	b.out.Messages = append(b.out.Messages, out)
	return nil
}

func (b *builder) result(parts []llm.Part) error {
	p := &parts[0]
	out := message{Role: string(llm.RoleTool), Name: p.Name}
	out.ToolCallID = b.ids.result(p)
	var chunks []chunk
	if p.Text != "" || len(parts) == 1 {
		chunks = append(chunks, chunk{Type: "text", Text: &p.Text})
	}
	for i := range parts[1:] {
		c, err := b.chunk(&parts[1+i])
		if err != nil {
			return err
		}
		if c != nil {
			chunks = append(chunks, *c)
		}
	}
	out.Content = content(chunks)
	b.out.Messages = append(b.out.Messages, out)
	return nil
}

// content is a text where that suffices, as every model takes it.
func content(chunks []chunk) any {
	switch {
	case len(chunks) == 0:
		return ""
	case len(chunks) == 1 && chunks[0].Type == "text":
		return *chunks[0].Text
	}
	return chunks
}

// chunk translates a part. It is nil for one that was dropped, which check has seen to.
func (b *builder) chunk(p *llm.Part) (*chunk, error) {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		return &chunk{Type: "text", Text: &p.Text}, nil
	case llm.PartReasoning:
		if p.Text == "" {
			return nil, nil
		}
		return &chunk{Type: "thinking", Thinking: []chunk{{Type: "text", Text: &p.Text}}}, nil
	case llm.PartBlob, llm.PartURI:
		return b.media(p)
	}
	return nil, nil
}

func (b *builder) media(p *llm.Part) (*chunk, error) {
	mime, uri := p.MIME, p.URI
	if p.Kind == llm.PartBlob {
		if mime == "" { // an image of Ollama's
			mime, _ = sniff(p.Data)
		}
		uri = "data:" + mime + ";base64," + p.Data
	}
	switch {
	case mime == "" || strings.HasPrefix(mime, "image/"):
		return &chunk{Type: "image_url", ImageURL: &image{URL: uri, Detail: p.Detail}}, nil
	case strings.HasPrefix(mime, "audio/"):
		if p.Kind == llm.PartBlob {
			uri = p.Data
		}
		return &chunk{Type: "input_audio", InputAudio: uri}, nil
	case strings.HasPrefix(mime, "video/"):
		return nil, nil // dropped, with leave
	}
	return &chunk{Type: "document_url", DocumentURL: uri, DocumentName: p.Name}, nil
}

// idLength is how long Mistral's ids of tool calls are, all letters and digits: it refuses those of others.
const idLength = 9

// ids gives the tool calls of a conversation ids that Mistral takes. The zero value is ready to use.
type ids struct {
	calls []call
}

type call struct {
	id, name, as string
	answered     bool
}

// call is the id of p, a tool call.
func (x *ids) call(p *llm.Part) string {
	as := p.ID
	for n := 0; !taken(as) || x.used(as); n++ {
		as = idOf(p.ID, len(x.calls), n)
	}
	x.calls = append(x.calls, call{id: p.ID, name: p.Name, as: as})
	return as
}

// result is the id of the call that p is the result of: that with its id, else the first of its name that has no result.
func (x *ids) result(p *llm.Part) string {
	for i := range x.calls {
		c := &x.calls[i]
		if !c.answered && (p.ID != "" && p.ID == c.id || p.ID == "" && p.Name == c.name) {
			c.answered = true
			return c.as
		}
	}
	if taken(p.ID) {
		return p.ID
	}
	return idOf(p.ID, len(x.calls), 0)
}

func (x *ids) used(id string) bool {
	for i := range x.calls {
		if x.calls[i].as == id {
			return true
		}
	}
	return false
}

// taken reports whether Mistral takes id.
func taken(id string) bool {
	if len(id) != idLength {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// idOf makes an id of another, the same whenever the conversation is sent, so that caches of prompts hold. Calls without an id are
// told apart by where they stand.
func idOf(id string, at, try int) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	if id == "" {
		_, _ = h.Write([]byte{byte(at), byte(at >> 8)})
	}
	_, _ = h.Write([]byte{byte(try)})
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var out [idLength]byte
	n := h.Sum64()
	for i := range out {
		out[i] = digits[n%uint64(len(digits))]
		n /= uint64(len(digits))
	}
	return string(out[:])
}
