package openai

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Rewrite implements llm.Inbound. Texts that ev.Parts no longer has become empty.
func (Dialect) Rewrite(dst []byte, r *llm.Request, ev *llm.Event) ([]byte, error) {
	if trimmed := bytes.TrimLeft(ev.Raw, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		return rewriteJSON(dst, ev.Raw, r.API, ev.Parts), nil
	}
	lines := splitLines(ev.Raw)
	data, count := dataOf(lines)
	if count == 0 {
		return append(dst, ev.Raw...), nil
	}
	data = rewriteJSON(nil, data, r.API, ev.Parts)
	for _, line := range lines {
		prefix, value, end, ok := dataLine(line)
		if !ok {
			dst = append(dst, line...)
			continue
		}
		value, data, _ = bytes.Cut(data, []byte("\n"))
		dst = append(append(append(dst, prefix...), value...), end...)
	}
	return dst, nil
}

// splitLines cuts b after each line end of server-sent events: CR LF, LF or CR (WHATWG HTML, section 9.2.6).
func splitLines(b []byte) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\r\n") + 1
		switch {
		case n == 0:
			n = len(b)
		case b[n-1] == '\r' && n < len(b) && b[n] == '\n':
			n++
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// dataOf joins the data of a server-sent event and counts its lines. A text in JSON has no line end of its own, so the
// lines of the rewritten data are those of the data.
func dataOf(lines [][]byte) (data []byte, count int) {
	for _, line := range lines {
		if _, value, _, ok := dataLine(line); ok {
			if count > 0 {
				data = append(data, '\n')
			}
			data = append(data, value...)
			count++
		}
	}
	return data, count
}

// dataLine cuts a line of a server-sent event into what stands before the data, the data and the line's end.
func dataLine(line []byte) (prefix, value, end []byte, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return nil, nil, nil, false
	}
	value = bytes.TrimRight(bytes.TrimPrefix(rest, []byte(" ")), "\r\n")
	n := len(line) - len(rest)
	if len(rest) > 0 && rest[0] == ' ' {
		n++
	}
	return line[:n], value, line[n+len(value):], true
}

// rewriteJSON appends data with its texts replaced by those of parts, in order.
func rewriteJSON(dst, data []byte, api llm.API, parts []llm.Part) []byte {
	var t texts
	switch api {
	case llm.OpenAIResponses:
		t.response(data)
	case llm.OpenAIChat, llm.OpenAICompletions:
		t.completion(jsonscan.Get(data, "choices"), api)
	}
	var edits []jsonscan.Edit
	for i, v := range t.vals {
		now := ""
		if i < len(parts) {
			now = parts[i].Text
		}
		if v != nil && now != t.parts[i].Text {
			edits = append(edits, replacement(data, v, now))
		}
	}
	return jsonscan.Apply(dst, data, edits)
}
