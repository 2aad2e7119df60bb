package scenario

import (
	"encoding/base64"
	"strings"

	"github.com/spanway/spanway/internal/frame"
)

// eventStreamType is the media type of AWS event streams. Scenarios have each of their messages on a line: the type of an event
// and its payload, or "!", the type of an exception and its payload. "#corrupt" on the line before makes its CRC wrong,
// "#partial" leaves out its second half. A chunk, which is {"bytes": base64}, stands there as what it decodes to.
const eventStreamType = "application/vnd.amazon.eventstream"

const (
	chunkEvent     = "chunk"
	chunkBefore    = `{"bytes":"`
	chunkAfter     = `"}`
	corruptMessage = "#corrupt"
	partialMessage = "#partial"
)

// encodeMessage is the message on a line.
func encodeMessage(line, how string) string {
	name, payload, _ := strings.Cut(strings.TrimSpace(line), " ")
	if name == "" {
		return ""
	}
	if name == chunkEvent {
		payload = chunkBefore + base64.StdEncoding.EncodeToString([]byte(payload)) + chunkAfter
	}
	kind := "event"
	if s, ok := strings.CutPrefix(name, "!"); ok {
		name, kind = s, "exception"
	}
	h := frame.AppendHeader(nil, ":"+kind+"-type", name)
	h = frame.AppendHeader(h, ":content-type", "application/json")
	h = frame.AppendHeader(h, ":message-type", kind)
	m := frame.AppendMessage(nil, h, []byte(payload))
	switch how {
	case corruptMessage:
		m[len(m)-1] ^= 1
	case partialMessage:
		m = m[:len(m)/2]
	}
	return string(m)
}

// messagesText is an event stream as scenarios have it.
func messagesText(body string) string {
	var b strings.Builder
	emit := func(f frame.Frame) error {
		switch {
		case f.Malformed:
			b.WriteString(corruptMessage + "\n")
		case f.Headers == nil:
			b.WriteString(partialMessage + "\n")
		case f.Exception:
			b.WriteString("!" + f.Event + " " + string(f.Data) + "\n")
		default:
			b.WriteString(f.Event + " " + payloadText(&f) + "\n")
		}
		return nil
	}
	_ = frame.NewEventStream(len(body)).Split([]byte(body), true, emit) // emit never fails
	return b.String()
}

// payloadText is the payload of a message, decoded when it is a chunk.
func payloadText(f *frame.Frame) string {
	s := string(f.Data)
	inner, before := strings.CutPrefix(s, chunkBefore)
	inner, after := strings.CutSuffix(inner, chunkAfter)
	if f.Event == chunkEvent && before && after {
		if b, err := base64.StdEncoding.DecodeString(inner); err == nil {
			return string(b)
		}
	}
	return s
}
