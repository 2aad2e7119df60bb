package cohere

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// messages translates the conversation. Each result of a tool is a message of its own.
func (b *builder) messages() error {
	if c := b.conversation; len(c.System) > 0 {
		if err := b.say(&chatMessage{Role: string(llm.RoleSystem)}, nil, c.System); err != nil {
			return err
		}
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
			err = b.say(&chatMessage{Role: string(m.Role)}, nil, m.Parts)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// say adds m, which says contents and what of parts can be carried. A single text is written as such.
func (b *builder) say(m *chatMessage, contents []content, parts []llm.Part) error {
	contents, err := b.contents(contents, parts)
	switch {
	case err != nil:
		return err
	case len(contents) == 1 && contents[0].Text != nil:
		m.Content = *contents[0].Text
	case len(contents) > 0:
		m.Content = contents
	case len(m.ToolCalls) == 0:
		return nil // nothing is said
	}
	b.out.Messages = append(b.out.Messages, m)
	return nil
}

// contents appends what can be carried of parts; Check has told of other kinds of content.
func (b *builder) contents(out []content, parts []llm.Part) ([]content, error) {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartText, llm.PartRefusal:
			out = append(out, content{Type: "text", Text: &p.Text})
		case llm.PartBlob, llm.PartURI:
			url := imageOf(p)
			if url != "" {
				out = append(out, content{Type: "image_url", ImageURL: &imageURL{URL: url, Detail: p.Detail}})
			} else if isImage(p) {
				if err := b.loss.Field(b.request, llm.FieldImage, "Cohere has to be told an image's type, which this one does not show"); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

func isImage(p *llm.Part) bool { return p.MIME == "" || strings.HasPrefix(p.MIME, "image/") }

// imageOf is the URL of an image, a data URL of one that came as data; "" for other content, and for an image of which the type
// is not known: Ollama's come without, which their first bytes mostly tell.
func imageOf(p *llm.Part) string {
	mime := p.MIME
	switch {
	case !isImage(p):
		return ""
	case p.Kind == llm.PartURI:
		return p.URI
	case mime == "" || mime == "image/*":
		for _, m := range magic {
			if strings.HasPrefix(p.Data, m.prefix) {
				return "data:" + m.mime + ";base64," + p.Data
			}
		}
		return ""
	}
	return "data:" + mime + ";base64," + p.Data
}

// magic is how the base64 of images begins.
var magic = [...]struct{ prefix, mime string }{
	{"iVBORw0KGgo", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGODdh", "image/gif"}, {"R0lGODlh", "image/gif"}, {"UklGR", "image/webp"},
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
	return b.say(m, thoughts, parts)
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
