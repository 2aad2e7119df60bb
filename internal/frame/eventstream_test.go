package frame

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message is a message with string headers, in pairs of name and value.
func message(payload string, headers ...string) string {
	var h []byte
	for i := 0; i < len(headers); i += 2 {
		h = AppendHeader(h, headers[i], headers[i+1])
	}
	return string(AppendMessage(nil, h, []byte(payload)))
}

// damaged is m with the byte at i, from the end when negative, turned over, and with a right first CRC when fix is set.
func damaged(m string, i int, fix bool) string {
	b := []byte(m)
	b[(i+len(b))%len(b)] ^= 0x80
	if fix {
		binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	}
	return string(b)
}

// recorded is the example of the specification: a message with one header and a payload (smithy.io, Amazon Event Stream).
const recorded = "\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1"

func TestEventStream(t *testing.T) {
	event := func(name, payload string) string {
		return message(payload, ":event-type", name, ":content-type", "application/json", ":message-type", "event")
	}
	a, b := event("messageStart", `{"role":"assistant"}`), event("metadata", `{}`)
	gotA, gotB := got{Raw: a, Data: `{"role":"assistant"}`, Event: "messageStart"}, got{Raw: b, Data: "{}", Event: "metadata"}
	broken := func(raw string) got { return got{Raw: raw, Malformed: true} }
	thrown := message(`{"message":"m"}`, ":message-type", "exception", ":exception-type", "throttlingException")
	failed := message("", ":message-type", "error", ":error-code", "500", ":error-message", "m")
	large := event("large", strings.Repeat("x", 300))
	// One header of each type: true, false, byte, short, integer, long, bytes, string, timestamp, uuid.
	every := string(AppendMessage(nil, []byte("\x01t\x00\x01f\x01\x01b\x021\x01s\x0312\x01i\x041234\x01l\x0512345678\x01y\x06\x00\x02yy\x01z\x07\x00\x01z"+
		"\x01m\x0812345678\x01u\x091234567812345678\x0b:event-type\x07\x00\x01e"), []byte("p")))
	for _, tt := range []struct {
		name, in string
		want     []got
	}{
		{"nothing", "", nil},
		{"messages", a + b, []got{gotA, gotB}},
		{"as the specification has it", recorded, []got{{Raw: recorded, Data: "{'foo':'bar'}"}}},
		{"no headers and no payload", message(""), []got{{Raw: message("")}}},
		{"headers of every type", every, []got{{Raw: every, Data: "p", Event: "e"}}},
		{"exception", thrown, []got{{Raw: thrown, Data: `{"message":"m"}`, Event: "throttlingException", Exception: true}}},
		{"error", failed, []got{{Raw: failed, Event: "500", Exception: true}}},
		{"cut in a message", a + b[:30], []got{gotA, {Raw: b[:30], NoData: true}}},
		{"cut in a prelude", a + b[:11], []got{gotA, {Raw: b[:11], NoData: true}}},
		{"too large", a + large + b, []got{gotA, {Raw: large, Skipped: true}, gotB}},
		{"a wrong CRC", a + damaged(a, -1, false) + b, []got{gotA, broken(damaged(a, -1, false) + b)}},
		{"a changed payload", damaged(a, -6, false) + b, []got{broken(damaged(a, -6, false) + b)}},
		{"a wrong CRC of the prelude", a + damaged(a, 8, false) + b, []got{gotA, broken(damaged(a, 8, false) + b)}},
		{"an impossible length", damaged(a, 0, true) + b, []got{broken(damaged(a, 0, true) + b)}},
		{"headers longer than the message", damaged(a, 6, true) + b, []got{broken(damaged(a, 6, true) + b)}},
		{"a header of no type", string(AppendMessage(nil, []byte("\x01a\x0a"), nil)), []got{broken(string(AppendMessage(nil, []byte("\x01a\x0a"), nil)))}},
		{"a header cut short", string(AppendMessage(nil, []byte("\x01a\x07\x00\x05abc"), nil)), []got{broken(string(AppendMessage(nil, []byte("\x01a\x07\x00\x05abc"), nil)))}},
		{"no event stream", "data: {}\n\n", []got{{Raw: "data: {}\n\n", NoData: true}}},
		{"no event stream, longer", "data: {\"a\":1}\n\n", []got{broken("data: {\"a\":1}\n\n")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 1; n <= len(tt.in)+1; n++ {
				if diff := cmp.Diff(tt.want, split(t, NewEventStream(256), append(chunk(tt.in, n), "")...)); diff != "" {
					t.Fatalf("in chunks of %d (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

func TestMessage(t *testing.T) {
	m := []byte(message("payload", "a", "b", ":event-type", "c"))
	headers, payload, ok := Message(m)
	if !ok || string(payload) != "payload" || string(Header(headers, ":event-type")) != "c" || Header(headers, "d") != nil {
		t.Errorf("got %q, %q, %v", headers, payload, ok)
	}
	if got := string(AppendMessage(nil, headers, payload)); got != string(m) {
		t.Errorf("encoded again: %q, want %q", got, m)
	}
	for _, bad := range []string{"", string(m[:len(m)-1]), string(m) + "x", "\x00\x00\x00\x10\xff\xff\xff\xff12345678"} {
		if _, _, ok := Message([]byte(bad)); ok {
			t.Errorf("%q is a message", bad)
		}
	}
	if Header([]byte("\x05abc"), "abc") != nil {
		t.Error("a broken header is read")
	}
}
