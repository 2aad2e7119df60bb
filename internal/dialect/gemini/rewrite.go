package gemini

import (
	"bytes"
	"fmt"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound, as dialect.Rewrite does. An event whose message stands on several data lines, which
// Google does not send, is written anew with one. Log probabilities tell the text that was changed: they become null.
func (Dialect) Rewrite(dst []byte, _ *llm.Request, ev *llm.Event) ([]byte, error) {
	data, err := payload(ev.Raw)
	if err != nil {
		return dst, err
	}
	rw := dialect.Rewrite{Data: data, Parts: ev.Parts}
	if len(data) > 0 {
		if err := frameParts(data, rw.Part); err != nil {
			return dst, fmt.Errorf("rewrite a frame: %w", err)
		}
		elements(member(data, "candidates"), func(v []byte) { rw.Void(member(v, "logprobsResult")) })
	}
	edited, err := rw.Append(nil)
	if err != nil {
		return dst, err
	}
	if i := bytes.Index(ev.Raw, data); i >= 0 {
		dst = append(dst, ev.Raw[:i]...)
		dst = append(dst, edited...)
		return append(dst, ev.Raw[i+len(data):]...), nil
	}
	dst = append(dst, "data: "...)
	dst = append(dst, bytes.ReplaceAll(edited, []byte("\n"), nil)...) // a JSON string holds no raw line feed
	return append(dst, "\r\n\r\n"...), nil
}

// payload is the JSON in a frame of any framing, nil when there is none.
func payload(raw []byte) (data []byte, err error) {
	trimmed := bytes.TrimLeft(raw, "[, \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '{' {
		return trimmed, nil
	}
	err = frame.NewSSE(len(raw)).Split(raw, true, func(f frame.Frame) error {
		data = bytes.Clone(f.Data)
		return nil
	})
	return data, err
}

// frameParts calls f for the parts of all candidates of a response message, in order.
func frameParts(data []byte, f func(p *llm.Part, text []byte)) error {
	it := jsonscan.Object(data)
	for it.Next() {
		if string(it.Key()) != "candidates" || jsonscan.KindOf(it.Value()) != jsonscan.List {
			continue
		}
		elements(it.Value(), func(v []byte) {
			elements(member(member(v, "content"), "parts"), func(v []byte) {
				framePart(v, func(p llm.Part, text []byte) { f(&p, text) })
			})
			beside(v, func(p llm.Part, text []byte) { f(&p, text) })
		})
	}
	return it.Err()
}

// beside calls f for the texts beside the content of a candidate: what it cites and what grounds it, and why it ended.
func beside(candidate []byte, f func(p llm.Part, text []byte)) {
	if jsonscan.KindOf(candidate) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(candidate); it.Next(); {
		switch string(it.Key()) {
		case "citationMetadata", "groundingMetadata", "groundingAttributions", "finishMessage":
			dialect.Asides(it.Value(), f)
		}
	}
}
