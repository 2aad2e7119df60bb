package ollama_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
)

const (
	lines = "application/x-ndjson"
	json  = "application/json; charset=utf-8"
)

func head(status int, contentType string) *llm.Head {
	return &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
}

// read folds the events of a body and hands each to f.
func read(t testing.TB, h *llm.Head, body string, f func(*llm.Event)) *llm.Result {
	t.Helper()
	res := new(llm.Result)
	err := ollama.Dialect{}.NewReader(llm.OllamaChat, h, llm.WantParts).Read([]byte(body), true, func(ev *llm.Event) error {
		res.Add(ev)
		res.Content(ev)
		if f != nil {
			f(ev)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestParts(t *testing.T) {
	body := `{"model":"m","message":{"role":"assistant","content":"","thinking":"h"},"done":false}
{"model":"m","message":{"role":"assistant","content":"","thinking":"m"},"done":false}
{"model":"m","message":{"role":"assistant","content":"a"},"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"x":1}}},{"id":"2","function":{"name":"f"}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"g","arguments":{}}},{}]},"done":false}
{"model":"m","message":{"role":"assistant","content":"b"},"done":false}

{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":4}
`
	var got []llm.Part
	res := read(t, head(200, lines), body, func(ev *llm.Event) { got = append(got, ev.Parts...) })
	want := []llm.Part{
		{Kind: llm.PartReasoning, Text: "h"},
		{Kind: llm.PartReasoning, Text: "m"},
		{Index: 1, Text: "a"},
		{Kind: llm.PartToolCall, Index: 2, Name: "f", Text: `{"x":1}`},
		{Kind: llm.PartToolCall, Index: 3, ID: "2", Name: "f"},
		{Kind: llm.PartToolCall, Index: 4, Name: "g", Text: `{}`},
		{Kind: llm.PartToolCall, Index: 5},
		{Index: 1, Text: "b"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !res.Last || res.Model != "m" || cmp.Diff([]string{"stop"}, res.FinishReasons()) != "" {
		t.Errorf("end %v, model %q, finish %q", res.Last, res.Model, res.FinishReasons())
	}
	if want := (llm.Usage{Output: llm.Some[int64](4)}); res.Usage != want {
		t.Errorf("usage %+v, want %+v", res.Usage, want)
	}
}

func TestGenerateParts(t *testing.T) {
	var got []llm.Part
	read(t, head(200, json), `{"response":"a","thinking":"b","done":true}`, func(ev *llm.Event) { got = append(got, ev.Parts...) })
	if d := cmp.Diff([]llm.Part{{Kind: llm.PartReasoning, Text: "b"}, {Index: 1, Text: "a"}}, got); d != "" {
		t.Error(d)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		head   *llm.Head
		body   string
		want   llm.Error
		finish []string
	}{
		{"not found", head(404, json), `{"error":"model \"x\" not found"}`, llm.Error{Status: 404, Message: `model "x" not found`}, nil},
		{"in a stream", head(200, lines), "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":\"out of memory\"}\n",
			llm.Error{Message: "out of memory"}, []string{"error"}},
		{"of a server in front", head(401, json), `{"error":{"message":"no","type":"auth"}}`, llm.Error{Status: 401, Type: "auth", Message: "no"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *llm.Error
			res := read(t, tt.head, tt.body, func(ev *llm.Event) {
				if ev.Err != nil {
					e := *ev.Err
					got = &e
				}
			})
			if d := cmp.Diff(&tt.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.finish, res.FinishReasons()); d != "" {
				t.Error(d)
			}
		})
	}
	if res := read(t, head(502, "text/html"), "<html>", nil); res.Err != nil || res.Last {
		t.Errorf("a body that is no JSON says %v, end %v", res.Err, res.Last)
	}
}

func TestStreamEnd(t *testing.T) {
	for body, want := range map[string]bool{
		`{"message":{"content":"a"},"done":false}` + "\n":                                false,
		`{"message":{"content":"a"},"done":false}` + "\n" + `{"done":tr`:                 false,
		`{"message":{"content":"a"},"done":false}` + "\n" + `{"message":{},"done":true}`: true,
		`{"message":{"content":"a"},"done":false}` + "\n" + `{"error":"broken"}` + "\n":  true,
	} {
		if got := read(t, head(200, lines), body, nil).Last; got != want {
			t.Errorf("%s: end %v, want %v", body, got, want)
		}
	}
}

func TestDimensions(t *testing.T) {
	for body, want := range map[string]int{
		`{"model":"m","embeddings":[[1,2,3],[4,5,6]]}`: 3,
		`{"embedding":[1,2]}`:                          2,
		`{"embeddings":[[]]}`:                          0,
		`{"embeddings":[]}`:                            0,
		`{"embedding":null}`:                           0,
		`{"embeddings":[[[1]]]}`:                       0,
	} {
		if got := read(t, head(200, json), body, nil).Dimensions; got != want {
			t.Errorf("%s: %d dimensions, want %d", body, got, want)
		}
	}
}

// TestMetaAllocations holds the promise that reading a stream without its content costs nothing per event.
func TestMetaAllocations(t *testing.T) {
	stream := []byte(strings.Repeat(chunk, 100))
	reader := ollama.Dialect{}.NewReader(llm.OllamaChat, head(200, lines), llm.WantMeta)
	emit := func(*llm.Event) error { return nil }
	if err := reader.Read(stream, false, emit); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		if err := reader.Read(stream, false, emit); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}

const chunk = `{"model":"llama3","created_at":"2024-05-24T20:26:46.359792Z","message":{"role":"assistant","content":" face"},"done":false}` + "\n"

// TestRewriteExchanges puts a mark into every text of every recorded response and reads it back.
func TestRewriteExchanges(t *testing.T) {
	marked := 0
	for _, x := range recordings(t) {
		var same, edited []byte
		var want, got strings.Builder
		h := x.Response.Head()
		read(t, h, string(x.Response.Body), func(ev *llm.Event) {
			same = rewrite(t, same, ev)
			for i := range ev.Parts {
				ev.Parts[i].Text += "<mark> \"\\\n"
				want.WriteString(ev.Parts[i].Text + "|")
				marked++
			}
			edited = rewrite(t, edited, ev)
		})
		if !bytes.Equal(same, x.Response.Body) {
			t.Errorf("%s: a rewrite that changes nothing changes the body", x.ID)
		}
		read(t, h, string(edited), func(ev *llm.Event) {
			for _, p := range ev.Parts {
				got.WriteString(p.Text + "|")
			}
		})
		if d := cmp.Diff(want.String(), got.String()); d != "" {
			t.Errorf("%s: %s", x.ID, d)
		}
	}
	if marked == 0 {
		t.Error("nothing was marked")
	}
}

func rewrite(t testing.TB, dst []byte, ev *llm.Event) []byte {
	t.Helper()
	out, err := ollama.Dialect{}.Rewrite(dst, nil, ev)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRewrite(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		texts     []string
		want      string // "" = an error
	}{
		{"members in another order", `{"response":"a", "thinking":"b"}` + "\r\n", []string{"B", "A"}, `{"response":"A", "thinking":"B"}` + "\r\n"},
		{"arguments", `{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"k":"a"}}}]}}`, []string{`{"k":"b"}`},
			`{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"k":"b"}}}]}}`},
		{"blank line", "\n", nil, "\n"},
		{"broken arguments", `{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"k":"a"}}}]}}`, []string{`{"k"`}, ""},
		{"no arguments", `{"message":{"tool_calls":[{"function":{"name":"f"}}]}}`, []string{`{}`}, ""},
		{"a part too few", `{"response":"a"}`, nil, ""},
		{"a part too many", `{"response":"a"}`, []string{"a", "b"}, ""},
		{"no JSON", `{"response":`, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := &llm.Event{Raw: []byte(tt.raw), Edited: true}
			for _, s := range tt.texts {
				ev.Parts = append(ev.Parts, llm.Part{Text: s})
			}
			got, err := ollama.Dialect{}.Rewrite([]byte("> "), nil, ev)
			if tt.want == "" {
				if err == nil || string(got) != "> " {
					t.Errorf("got %q, %v, want an error and nothing appended", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("> "+tt.want, string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestErrorBodies(t *testing.T) {
	e := &llm.Error{Status: 503, Type: "x", Message: "a \"b\""}
	if got, want := string(ollama.Dialect{}.Error(e)), `{"error":"a \"b\""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := string(ollama.Dialect{}.StreamError(&llm.Request{Stream: true}, e)), `{"error":"a \"b\""}`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
