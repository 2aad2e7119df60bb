package cohere

import (
	"net/http"
	"strconv"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// messages translates the conversation. Each result of a tool is a message of its own.
func (b *builder) messages() error {
	if c := b.conversation; len(c.System) > 0 {
		b.say(&chatMessage{Role: string(llm.RoleSystem)}, b.contents(c.System))
	}
	for i := range b.conversation.Messages {
		m := &b.conversation.Messages[i]
		var err error
		switch m.Role {
		case llm.RoleTool:
			err = b.results(m.Parts)
		case llm.RoleAssistant:
			err = b.assistant(m.Parts)
		default:
			b.say(&chatMessage{Role: string(m.Role)}, b.contents(m.Parts))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// say adds m, which says contents. A single text is written as such.
func (b *builder) say(m *chatMessage, contents []content) {
	switch {
	case len(contents) == 1 && contents[0].Text != nil:
		m.Content = *contents[0].Text
	case len(contents) > 0:
		m.Content = contents
	case len(m.ToolCalls) == 0:
		return // nothing is said
	}
	b.out.Messages = append(b.out.Messages, m)
}

// contents translates what can be carried of parts; Check has told of the rest.
func (b *builder) contents(parts []llm.Part) []content {
	var out []content
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartText, llm.PartRefusal:
			out = append(out, content{Type: "text", Text: &p.Text})
		case llm.PartBlob, llm.PartURI:
			if url := imageOf(p); url != "" {
				out = append(out, content{Type: "image_url", ImageURL: &imageURL{URL: url, Detail: p.Detail}})
			}
		}
	}
	return out
}

// imageOf is the URL of an image, a data URL of one that came as data, "" for other content.
func imageOf(p *llm.Part) string {
	if p.MIME != "" && (len(p.MIME) < 6 || p.MIME[:6] != "image/") {
		return ""
	}
	switch {
	case p.Kind == llm.PartURI:
		return p.URI
	case p.MIME == "" || p.MIME == "image/*":
		return "data:" + sniff(p.Data) + ";base64," + p.Data
	}
	return "data:" + p.MIME + ";base64," + p.Data
}

// sniff is the media type of an image that came without one, as Ollama's do, by the first bytes of its base64.
func sniff(data string) string {
	for prefix, mime := range map[string]string{"/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"} {
		if len(data) >= len(prefix) && data[:len(prefix)] == prefix {
			return mime
		}
	}
	return "image/png"
}

// assistant adds a turn of the model. What it reasoned is its plan where it called tools, and else its thoughts.
func (b *builder) assistant(parts []llm.Part) error {
	m := &chatMessage{Role: string(llm.RoleAssistant)}
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartToolCall {
			args, err := dialect.Arguments(p, http.StatusBadRequest)
			if err != nil {
				return err
			}
			m.ToolCalls = append(m.ToolCalls, toolCall{ID: b.ids.call(p), Type: "function", Function: callBody{Name: p.Name, Arguments: string(args)}})
		}
	}
	var thoughts []content
	for i := range parts {
		p := &parts[i]
		switch {
		case p.Kind != llm.PartReasoning || p.Text == "":
		case len(m.ToolCalls) > 0:
			m.ToolPlan += p.Text
		default:
			thoughts = append(thoughts, content{Type: "thinking", Thinking: &p.Text})
		}
	}
	b.say(m, append(thoughts, b.contents(parts)...))
	return nil
}

// results adds what tools answered. The texts of one result, which may come as several parts, are one message.
func (b *builder) results(parts []llm.Part) error {
	for i := 0; i < len(parts); i++ {
		p := &parts[i]
		if p.Kind != llm.PartToolResult {
			continue // other content: Check has told
		}
		id, err := b.ids.result(p)
		if err != nil {
			return err
		}
		texts := []content{{Type: "text", Text: &p.Text}}
		for i+1 < len(parts) && parts[i+1].Kind == llm.PartToolResult && p.ID != "" && parts[i+1].ID == p.ID {
			i++
			texts = append(texts, content{Type: "text", Text: &parts[i].Text})
		}
		m := toolMessage{Role: string(llm.RoleTool), ToolCallID: id, Content: texts}
		if len(texts) == 1 {
			m.Content = p.Text
		}
		b.out.Messages = append(b.out.Messages, m)
	}
	return nil
}

// ids names the calls of tools of clients that have no ids: a call and its result then have the tool's name in common, and come
// in the same order.
type ids struct {
	calls int
	open  map[string][]string // by name, the ids of calls without a result
}

func (n *ids) call(p *llm.Part) string {
	n.calls++
	if p.ID != "" {
		return p.ID
	}
	id := "call_" + strconv.Itoa(n.calls)
	if n.open == nil {
		n.open = map[string][]string{}
	}
	n.open[p.Name] = append(n.open[p.Name], id)
	return id
}

func (n *ids) result(p *llm.Part) (string, error) {
	if p.ID != "" {
		return p.ID, nil
	}
	open := n.open[p.Name]
	if len(open) == 0 {
		return "", llm.Errorf(http.StatusBadRequest, badRequest, "The result of the tool %q belongs to no call.", p.Name)
	}
	n.open[p.Name] = open[1:]
	return open[0], nil
}
