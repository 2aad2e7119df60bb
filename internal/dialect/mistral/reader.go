package mistral

import (
	"bytes"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewReader implements llm.Outbound.
func (Dialect) NewReader(api llm.API, h *llm.Head, want llm.Want) llm.Reader {
	_, answered := alike(api)
	r := &reader{Reader: openai.NewReaderAs(llm.Mistral, answered, h, want)}
	r.onEvent = r.event
	return r
}

// reader is OpenAI's, with Mistral's errors.
type reader struct {
	llm.Reader
	onEvent func(*llm.Event) error // made once: a method value allocates
	emit    func(*llm.Event) error
}

// Read implements llm.Reader.
func (r *reader) Read(p []byte, eof bool, emit func(*llm.Event) error) error {
	r.emit = emit
	return r.Reader.Read(p, eof, r.onEvent)
}

func (r *reader) event(ev *llm.Event) error {
	if ev.Err == nil && len(ev.Choices) == 0 && !ev.Last && bytes.Contains(ev.Raw, []byte(`"error"`)) {
		r.flat(ev)
	}
	if ev.Err != nil && ev.Err.Message == "" {
		ev.Err.Message = reasons(dialect.Payload(ev))
	}
	return r.emit(ev)
}

// flat reads an error that stands in a stream as it does in the body of an error response: {"object":"error",…}.
func (r *reader) flat(ev *llm.Event) {
	data := bytes.TrimSpace(dialect.Payload(ev))
	if jsonscan.Validate(data) != nil || jsonscan.String(jsonscan.Get(data, "object")) != "error" {
		return
	}
	e := &llm.Error{
		Message: jsonscan.String(jsonscan.Get(data, "message")),
		Type:    jsonscan.String(jsonscan.Get(data, "type")),
		Param:   jsonscan.String(jsonscan.Get(data, "param")),
	}
	if e.Type == "" {
		e.Type = string(jsonscan.Get(data, "code"))
		if jsonscan.KindOf(jsonscan.Get(data, "code")) == jsonscan.Text {
			e.Type = jsonscan.String(jsonscan.Get(data, "code"))
		}
	}
	ev.Err = e
}

// maxReasons bounds how many reasons make up a message.
const maxReasons = 8

// reasons is the text of an error whose message is a list of what is wrong with the request, as the API's validation gives it:
// under message.detail, message, or detail, each with the place (loc) and the reason (msg).
func reasons(data []byte) string {
	data = bytes.TrimSpace(data)
	if jsonscan.Validate(data) != nil || jsonscan.KindOf(data) != jsonscan.Dict {
		return ""
	}
	for _, path := range [][]string{{"message", "detail"}, {"message"}, {"detail"}} {
		if list := jsonscan.Get(data, path...); jsonscan.KindOf(list) == jsonscan.List {
			return listed(list)
		}
	}
	return ""
}

func listed(list []byte) string {
	var b []byte
	n := 0
	for it := jsonscan.Array(list); it.Next() && n < maxReasons; n++ {
		if n > 0 {
			b = append(b, "; "...)
		}
		at := jsonscan.Get(it.Value(), "loc")
		if jsonscan.KindOf(at) == jsonscan.List {
			steps := 0
			for l := jsonscan.Array(at); l.Next(); steps++ {
				if steps > 0 {
					b = append(b, '.')
				}
				if jsonscan.KindOf(l.Value()) == jsonscan.Text {
					b = append(b, jsonscan.String(l.Value())...)
				} else {
					b = append(b, l.Value()...)
				}
			}
			b = append(b, ": "...)
		}
		b = append(b, jsonscan.String(jsonscan.Get(it.Value(), "msg"))...)
	}
	return string(b)
}
