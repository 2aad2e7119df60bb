package ollama_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
)

// FuzzParseRequest parses, decodes and edits any body: no panic, errors are the client's, an edit that changes nothing
// changes no byte, and one that changes every text leaves JSON whose texts are the new ones.
func FuzzParseRequest(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	f.Add([]byte(`{"messages":[{"role":"tool","content":"a","tool_calls":[{"function":{}}],"images":["a"]},[]],"input":["b",[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := ollama.Dialect{}
		for _, api := range []llm.API{llm.OllamaChat, llm.OllamaGenerate, llm.OllamaEmbed} {
			r, err := d.ParseRequest(api, &llm.Head{}, body)
			if err != nil {
				var e *llm.Error
				if !errors.As(err, &e) || e.Status != 400 {
					t.Fatalf("not the client's error: %v", err)
				}
				return
			}
			if r.ModelAt != [2]int{} && body[r.ModelAt[0]] != '"' {
				t.Fatalf("no model at %v of %q", r.ModelAt, body)
			}
			if _, err := r.Conversation(); err != nil {
				t.Fatal(err)
			}
			n := 0
			if _, err := r.EditText(func(_ llm.Role, s string) (string, bool) { n++; return s, false }); err != nil || !bytes.Equal(r.Raw, body) {
				t.Fatalf("an edit that changes nothing: %v, %q", err, r.Raw)
			}
			if _, err := r.EditText(func(llm.Role, string) (string, bool) { return "new", true }); err != nil {
				t.Fatal(err)
			}
			again, err := d.ParseRequest(api, &llm.Head{}, r.Raw)
			if err != nil {
				t.Fatalf("edited to %q: %v", r.Raw, err)
			}
			if _, err := again.EditText(func(_ llm.Role, s string) (string, bool) {
				if n--; s != "new" {
					t.Errorf("%q was not replaced in %q", s, again.Raw)
				}
				return s, false
			}); err != nil || n != 0 {
				t.Fatalf("%d texts are missing: %v", n, err)
			}
		}
	})
}

// FuzzReader reads any body in two ways: the events are the same, their bytes are the body, and a rewrite of an unedited
// event is the identity.
func FuzzReader(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Response.Body) < 4<<10 {
			f.Add(x.Response.Body, x.Stream, uint8(7))
		}
	}
	f.Add([]byte("{\"message\":{\"tool_calls\":[{},1]},\"done\":1}\r\n\n{\"error\":{}}"), true, uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, stream bool, step uint8) {
		ct := json
		if stream {
			ct = lines
		}
		whole := collect(t, ct, body, len(body)+1)
		pieces := collect(t, ct, body, int(step)+1)
		if d := cmp.Diff(whole, pieces, cmpopts.IgnoreUnexported(llm.Result{})); d != "" {
			t.Errorf("chunking changes the events: %s", d)
		}
		if d := cmp.Diff(whole.Messages(), pieces.Messages()); d != "" {
			t.Errorf("chunking changes the content: %s", d)
		}
		if d := cmp.Diff(whole.FinishReasons(), pieces.FinishReasons()); d != "" {
			t.Errorf("chunking changes the finish reasons: %s", d)
		}
	})
}

func collect(t *testing.T, contentType string, body []byte, step int) *llm.Result {
	res := new(llm.Result)
	var raw []byte
	r := ollama.Dialect{}.NewReader(llm.OllamaChat, head(200, contentType), llm.WantParts)
	emit := func(ev *llm.Event) error {
		raw = append(raw, ev.Raw...)
		if len(ev.Parts) > 0 && !bytes.Equal(rewrite(t, nil, ev), ev.Raw) {
			t.Errorf("a rewrite that changes nothing changes %q", ev.Raw)
		}
		res.Add(ev)
		res.Content(ev)
		return nil
	}
	for rest := body; ; {
		n := min(step, len(rest))
		if err := r.Read(append([]byte(nil), rest[:n]...), n == len(rest), emit); err != nil {
			t.Fatal(err)
		}
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
	}
	if !bytes.Equal(raw, body) {
		t.Errorf("the events' bytes are not the body: %q, %q", raw, body)
	}
	return res
}
