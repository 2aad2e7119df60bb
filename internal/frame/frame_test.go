package frame

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// got is a frame that outlives the callback.
type got struct {
	Raw, Data, Event string
	NoData, Skipped  bool
	Exception        bool
	Malformed        bool
}

var splitters = map[string]func(max int) Splitter{
	"sse":    func(max int) Splitter { return NewSSE(max) },
	"ndjson": func(max int) Splitter { return NewNDJSON(max) },
	"array":  func(max int) Splitter { return NewArray(max) },
	"whole":  func(max int) Splitter { return NewWhole(max) },
	"aws":    func(max int) Splitter { return NewEventStream(max) },
}

// split feeds the chunks and joins the pieces of skipped frames, whose number depends on the chunks.
func split(t testing.TB, s Splitter, chunks ...string) []got {
	t.Helper()
	var out []got
	emit := func(f Frame) error {
		g := got{Raw: string(f.Raw), Data: string(f.Data), Event: f.Event, NoData: f.Data == nil && !f.Skipped && !f.Malformed,
			Skipped: f.Skipped, Exception: f.Exception, Malformed: f.Malformed}
		if f.Skipped && f.Data != nil {
			t.Errorf("a skipped frame has data %q", f.Data)
		}
		if n := len(out); n > 0 && (g.Skipped && out[n-1].Skipped || g.Malformed && out[n-1].Malformed) {
			out[n-1].Raw += g.Raw
			return nil
		}
		out = append(out, g)
		return nil
	}
	for i, c := range chunks {
		if err := s.Split([]byte(c), i == len(chunks)-1, emit); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func bytesOf(s string) []string {
	return append(strings.Split(s, ""), "")
}

func TestSplit(t *testing.T) {
	data := func(raw, data string) got { return got{Raw: raw, Data: data} }
	none := func(raw string) got { return got{Raw: raw, NoData: true} }
	named := func(raw, data, event string) got { return got{Raw: raw, Data: data, Event: event} }
	for _, tt := range []struct {
		name, splitter, in string
		want               []got
	}{
		{"empty", "sse", "", nil},
		{"one event", "sse", "data: a\n\n", []got{data("data: a\n\n", "a")}},
		{"no space", "sse", "data:a\n\n", []got{data("data:a\n\n", "a")}},
		{"one space is removed", "sse", "data:  a \n\n", []got{data("data:  a \n\n", " a ")}},
		{"two events", "sse", "data: a\n\ndata: b\n\n", []got{data("data: a\n\n", "a"), data("data: b\n\n", "b")}},
		{"CRLF", "sse", "data: a\r\n\r\ndata: b\r\n\r\n", []got{data("data: a\r\n\r\n", "a"), data("data: b\r\n\r\n", "b")}},
		{"CR", "sse", "data: a\r\rdata: b\r\r", []got{data("data: a\r\r", "a"), data("data: b\r\r", "b")}},
		{"mixed line ends", "sse", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\r", []got{
			data("data: a\r\n\n", "a"), data("data: b\n\r\n", "b"), data("data: c\r\n\r", "c"), data("data: d\n\r", "d")}},
		{"CR CR LF", "sse", "data: a\r\r\ndata: b\n\n", []got{data("data: a\r\r\n", "a"), data("data: b\n\n", "b")}},
		{"data lines are joined", "sse", "data: a\ndata:\ndata: c\n\n", []got{data("data: a\ndata:\ndata: c\n\n", "a\n\nc")}},
		{"joined over CRLF", "sse", "data: a\r\ndata: b\r\n\r\n", []got{data("data: a\r\ndata: b\r\n\r\n", "a\nb")}},
		{"event", "sse", "event: ping\ndata: {}\n\n", []got{named("event: ping\ndata: {}\n\n", "{}", "ping")}},
		{"the last event name counts", "sse", "event: a\nevent: b\ndata: 1\n\n", []got{named("event: a\nevent: b\ndata: 1\n\n", "1", "b")}},
		{"id, retry and unknown fields", "sse", "id: 1\nretry: 5\nx: y\ndata: a\n\n", []got{data("id: 1\nretry: 5\nx: y\ndata: a\n\n", "a")}},
		{"comment in an event", "sse", ": hi\ndata: a\n: ho\n\n", []got{data(": hi\ndata: a\n: ho\n\n", "a")}},
		{"comment alone", "sse", ": ping\n\ndata: a\n\n", []got{none(": ping\n\n"), data("data: a\n\n", "a")}},
		{"blank lines", "sse", "\n\r\ndata: a\n\n\n", []got{none("\n"), none("\r\n"), data("data: a\n\n", "a"), none("\n")}},
		{"empty data", "sse", "data\n\ndata:\n\n", []got{data("data\n\n", ""), data("data:\n\n", "")}},
		{"unterminated", "sse", "data: a\n\ndata: b", []got{data("data: a\n\n", "a"), data("data: b", "b")}},
		{"unterminated after a line", "sse", "data: b\n", []got{data("data: b\n", "b")}},
		{"byte order mark", "sse", "\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", []got{
			data("\xef\xbb\xbfdata: a\n\n", "a"), none("\xef\xbb\xbfdata: b\n\n")}},
		{"byte order mark and a blank line", "sse", "\xef\xbb\xbf\ndata: a\n\n", []got{none("\xef\xbb\xbf\n"), data("data: a\n\n", "a")}},
		{"half a byte order mark", "sse", "\xef\xbb\n\ndata: a\n\n", []got{none("\xef\xbb\n\n"), data("data: a\n\n", "a")}},
		{"a byte order mark alone", "sse", "\xef\xbb\xbf", []got{none("\xef\xbb\xbf")}},
		{"a name with a colon", "sse", "data: a: b\n\n", []got{data("data: a: b\n\n", "a: b")}},
		{"field names are exact", "sse", "Data: a\ndata : b\n data: c\n\n", []got{none("Data: a\ndata : b\n data: c\n\n")}},

		{"empty", "ndjson", "", nil},
		{"lines", "ndjson", "{}\n [1] \r\n", []got{data("{}\n", "{}"), data(" [1] \r\n", "[1]")}},
		{"blank line", "ndjson", "{}\n\r\n{}\n", []got{data("{}\n", "{}"), none("\r\n"), data("{}\n", "{}")}},
		{"unterminated", "ndjson", "{}\n{\"a\":1}", []got{data("{}\n", "{}"), data("{\"a\":1}", "{\"a\":1}")}},

		{"empty", "array", "", nil},
		{"white space", "array", " \n", []got{none(" \n")}},
		{"empty array", "array", " [ ]\n", []got{none(" [ ]"), none("\n")}},
		{"objects", "array", "[{\"a\":[1,{}]}\r\n,\r\n{\"b\":2}\n]\n", []got{
			data("[{\"a\":[1,{}]}", "{\"a\":[1,{}]}"), data("\r\n,\r\n{\"b\":2}", "{\"b\":2}"), none("\n]"), none("\n")}},
		{"brackets, quotes and backslashes in strings", "array", `[{"]}":"\"}\\"},["\\","["]]`, []got{
			data(`[{"]}":"\"}\\"}`, `{"]}":"\"}\\"}`), data(`,["\\","["]`, `["\\","["]`), none("]")}},
		{"scalars", "array", `[1,"a\"b" , true,null]`, []got{
			data("[1", "1"), data(`,"a\"b"`, `"a\"b"`), data(" , true", "true"), data(",null", "null"), none("]")}},
		{"an object is no array", "array", ` {"error":{"code":400}}` + "\n", []got{
			data(` {"error":{"code":400}}`+"\n", ` {"error":{"code":400}}`+"\n")}},
		{"cut in an element", "array", `[{"a":1},{"b":"x`, []got{data(`[{"a":1}`, `{"a":1}`), data(`,{"b":"x`, `{"b":"x`)}},
		{"cut in a number", "array", `[12`, []got{data(`[12`, "12")}},
		{"cut between elements", "array", `[{},`, []got{data(`[{}`, "{}"), none(",")}},

		{"empty", "whole", "", nil},
		{"a body", "whole", " {}\n", []got{data(" {}\n", " {}\n")}},
	} {
		t.Run(tt.splitter+"/"+tt.name, func(t *testing.T) {
			for how, chunks := range map[string][]string{
				"at once": {tt.in}, "eof alone": {tt.in, ""}, "byte by byte": bytesOf(tt.in), "after nothing": {"", tt.in},
			} {
				if diff := cmp.Diff(tt.want, split(t, splitters[tt.splitter](1<<10), chunks...)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

func TestBound(t *testing.T) {
	for _, tt := range []struct {
		splitter, in string
		want         []got
	}{
		{"sse", "data: 23456\n\ndata: long\ndata: 89012345\r\n\r\ndata: b\n\n", []got{
			{Raw: "data: 23456\n\n", Data: "23456"}, {Raw: "data: long\ndata: 89012345\r\n\r\n", Skipped: true}, {Raw: "data: b\n\n", Data: "b"}}},
		{"sse", "\xef\xbb\xbfdata: 3456789\r\rdata: b\n\n", []got{
			{Raw: "\xef\xbb\xbfdata: 3456789\r\r", Skipped: true}, {Raw: "data: b\n\n", Data: "b"}}},
		{"ndjson", "\"123456789\"\n\"1234567890a\"\n\"1234567890ab\"\n1\n", []got{
			{Raw: "\"123456789\"\n", Data: `"123456789"`}, {Raw: "\"1234567890a\"\n\"1234567890ab\"\n", Skipped: true}, {Raw: "1\n", Data: "1"}}},
		{"array", `[{"a":12345},{"a":"]},{"},{"b":1}]`, []got{
			{Raw: `[{"a":12345}`, Data: `{"a":12345}`}, {Raw: `,{"a":"]},{"}`, Skipped: true}, {Raw: `,{"b":1}`, Data: `{"b":1}`}, {Raw: "]", NoData: true}}},
		{"whole", "123456789012", []got{{Raw: "123456789012", Data: "123456789012"}}},
		{"whole", "1234567890123", []got{{Raw: "1234567890123", Skipped: true}}},
	} {
		max := 12
		if tt.splitter == "sse" {
			max = 13
		}
		for n := 1; n <= len(tt.in); n++ {
			if diff := cmp.Diff(tt.want, split(t, splitters[tt.splitter](max), chunk(tt.in, n)...)); diff != "" {
				t.Errorf("%s in chunks of %d (-want +got):\n%s", tt.splitter, n, diff)
			}
		}
	}
}

func chunk(s string, n int) []string {
	var out []string
	for ; len(s) > n; s = s[n:] {
		out = append(out, s[:n])
	}
	return append(out, s)
}

// A frame that lies within one read is not copied, nor is a body that comes whole.
func TestAliases(t *testing.T) {
	for name, in := range map[string]string{
		"sse": "data: {}\n\n", "ndjson": "{}\n", "array": "[{}", "whole": "{}",
	} {
		p := []byte(in)
		err := splitters[name](1<<10).Split(p, true, func(f Frame) error {
			if &f.Raw[0] != &p[0] {
				t.Errorf("%s: Raw is a copy", name)
			}
			if len(f.Data) == 0 || &f.Data[0] != &f.Raw[strings.IndexByte(in, '{')] {
				t.Errorf("%s: Data is a copy", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmitError(t *testing.T) {
	stop := errors.New("stop")
	for name, newSplitter := range splitters {
		for _, max := range []int{4, 1 << 10} {
			for _, chunks := range [][]string{{"data: a\n\ndata: b\n\n"}, {"data: a", "\n\ndata: b\n\n"}, {"data: a", ""}} {
				s, calls, err := newSplitter(max), 0, error(nil)
				for i, c := range chunks {
					if err == nil {
						err = s.Split([]byte(c), i == len(chunks)-1, func(Frame) error { calls++; return stop })
					}
				}
				if !errors.Is(err, stop) || calls != 1 {
					t.Errorf("%s, max %d, %q: error %v after %d calls, want stop after 1", name, max, chunks, err, calls)
				}
			}
		}
	}
}

// A large frame must not leave a large buffer behind.
func TestBufferIsReleased(t *testing.T) {
	s := NewSSE(1 << 20)
	big := "data: " + strings.Repeat("x", 1<<19) + "\ndata: y\n\n"
	frames := split(t, s, big[:1<<18], big[1<<18:]+"data: a\ndata: b\n\n", "")
	if len(frames) != 2 || cap(s.buf) > keepBuffer || cap(s.data) > keepBuffer {
		t.Errorf("%d frames, buffers of %d and %d bytes are kept", len(frames), cap(s.buf), cap(s.data))
	}
}

// An unbounded number of event names must not be remembered.
func TestNamesAreBounded(t *testing.T) {
	s := NewSSE(1 << 10)
	for i := range 3 * maxNames {
		want := fmt.Sprint("name", i)
		frames := split(t, s, "event: "+want+"\ndata: 1\n\n")
		if len(frames) != 1 || frames[0].Event != want {
			t.Fatalf("got %+v, want the event %q", frames, want)
		}
	}
	split(t, s, "event: "+strings.Repeat("n", 2*maxNameLen)+"\n\n")
	if len(s.names.seen) != maxNames {
		t.Errorf("%d names are kept, want %d", len(s.names.seen), maxNames)
	}
}

// FuzzLaws checks, for every splitter, that chunking changes nothing, that Raws concatenate to the input and that no frame
// but a skipped one is over the bound.
func FuzzLaws(f *testing.F) {
	for _, s := range []string{
		"data: a\n\ndata: b\r\n\r\n: c\r\r", "\xef\xbb\xbfevent: x\rdata: y\r\n\r\ndata: z", "[{\"a\":\"\\\"]\"},1, \"x\\\\\"]\n",
		"{\"a\":1}\n\n{\"b\":2}\r\n", "[[[]],{}]]]", "\n\r\r\n\n\r",
	} {
		f.Add(s, uint16(64), uint64(0x9249))
		f.Add(s, uint16(8), uint64(1))
	}
	f.Add(message("{}", ":event-type", "a")+message("x", ":message-type", "exception")+recorded, uint16(400), uint64(0x9249))
	f.Add("000000000000", uint16(10), uint64(7))
	f.Add(recorded+damaged(recorded, -1, false)+recorded, uint16(400), uint64(3))
	f.Fuzz(func(t *testing.T, in string, max uint16, cuts uint64) {
		limit := int(max%512) + 1
		var chunks []string
		rest := in
		for i := 0; len(rest) > 0; i++ {
			n := min(len(rest), int(cuts>>(i*7%58)&0x1f))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
			if n == 0 {
				cuts |= 1 << (i * 7 % 58)
			}
		}
		chunks = append(chunks, "")
		for name, newSplitter := range splitters {
			want := split(t, newSplitter(limit), in)
			if diff := cmp.Diff(want, split(t, newSplitter(limit), chunks...)); diff != "" {
				t.Errorf("%s: chunks %q change the frames (-want +got):\n%s", name, chunks, diff)
			}
			var raw strings.Builder
			for _, g := range want {
				raw.WriteString(g.Raw)
				if g.Raw == "" || !g.Skipped && !g.Malformed && len(g.Raw) > limit && (name != "aws" || len(g.Raw) > minMessage) {
					t.Errorf("%s: a frame of %d bytes, bound %d", name, len(g.Raw), limit)
				}
			}
			if raw.String() != in {
				t.Errorf("%s: frames make %q of %q", name, raw.String(), in)
			}
		}
	})
}
