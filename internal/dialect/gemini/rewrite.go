package gemini

import (
	"bytes"
	"fmt"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound. The parts of ev are those of its frame, one for one and in order; an ev that has more or
// fewer, or a function call whose arguments are not JSON, is an error. An event stream's message that stands on several
// data lines is written on one.
func (Dialect) Rewrite(dst []byte, _ *llm.Request, ev *llm.Event) ([]byte, error) {
	data, err := payload(ev.Raw)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 && len(ev.Parts) == 0 {
		return append(dst, ev.Raw...), nil
	}
	edits, err := partEdits(data, ev.Parts)
	if err != nil {
		return nil, err
	}
	if i := bytes.Index(ev.Raw, data); i >= 0 {
		dst = append(dst, ev.Raw[:i]...)
		dst = jsonscan.Apply(dst, data, edits)
		return append(dst, ev.Raw[i+len(data):]...), nil
	}
	data = jsonscan.Apply(nil, data, edits)
	dst = append(dst, "data: "...)
	dst = append(dst, bytes.ReplaceAll(data, []byte("\n"), nil)...) // no string holds a raw line feed
	return append(dst, "\r\n\r\n"...), nil
}

// payload is the JSON of a frame of any framing.
func payload(raw []byte) ([]byte, error) {
	trimmed := bytes.TrimLeft(raw, "[, \t\r\n")
	if len(trimmed) == 0 {
		return nil, nil
	}
	if trimmed[0] == '{' {
		return bytes.TrimRight(trimmed, " \t\r\n"), nil
	}
	var data []byte
	err := frame.NewSSE(len(raw)).Split(raw, true, func(f frame.Frame) error {
		data = bytes.Clone(f.Data)
		return nil
	})
	return data, err
}

// partEdits compares the parts of a response message with parts.
func partEdits(data []byte, parts []llm.Part) ([]jsonscan.Edit, error) {
	var edits []jsonscan.Edit
	var err error
	n := 0
	it := jsonscan.Object(data)
	for it.Next() {
		if string(it.Key()) != "candidates" {
			continue
		}
		elements(it.Value(), func(v []byte) {
			elements(member(member(v, "content"), "parts"), func(v []byte) {
				was, text := readPart(v)
				if n++; n > len(parts) || parts[n-1].Text == was.Text || err != nil {
					return
				}
				var with []byte
				if with, err = newText(&was, text, parts[n-1].Text); err == nil {
					edits = append(edits, jsonscan.Edit{At: jsonscan.At(data, text), With: with})
				}
			})
		})
	}
	switch {
	case err != nil:
		return nil, err
	case it.Err() != nil:
		return nil, fmt.Errorf("rewrite a response: %w", it.Err())
	case n != len(parts):
		return nil, fmt.Errorf("rewrite a response: it has %d parts, the event %d", n, len(parts))
	}
	return edits, nil
}

// newText is the JSON of s in the place of text, the value that the text of part p came from.
func newText(p *llm.Part, text []byte, s string) ([]byte, error) {
	if text == nil {
		return nil, fmt.Errorf("rewrite a response: a part of kind %d has no text", p.Kind)
	}
	if p.Kind == llm.PartText || p.Kind == llm.PartReasoning {
		return jsonscan.AppendString(nil, s), nil
	}
	if err := jsonscan.Validate([]byte(s)); err != nil {
		return nil, fmt.Errorf("rewrite the arguments of %q: %w", p.Name, err)
	}
	return []byte(s), nil
}
