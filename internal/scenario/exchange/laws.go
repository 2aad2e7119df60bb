package exchange

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// RequestLaws parses, decodes and edits body, whatever it is: errors are the client's, an edit that changes nothing changes no
// byte, and one that changes every text leaves a body whose texts are the new ones.
func RequestLaws(t *testing.T, d llm.Inbound, api llm.API, body []byte) {
	t.Helper()
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

// ReaderLaws reads body, whatever it is, whole and in pieces of step bytes: the events are the same and their bytes are the
// body. unedited is called for every event that has parts, to check that a rewrite of it is the identity.
func ReaderLaws(t *testing.T, newReader func() llm.Reader, body []byte, step int, unedited func(ev *llm.Event)) {
	t.Helper()
	whole, pieces := fold(t, newReader(), body, len(body)+1, unedited), fold(t, newReader(), body, step, unedited)
	opts := cmp.Options{cmpopts.IgnoreUnexported(llm.Result{})}
	if whole.Err != nil && whole.Err.Type == dialect.Malformed {
		opts = append(opts, cmpopts.IgnoreFields(llm.Result{}, "Chunks")) // what is not framed comes as it comes
	}
	if d := cmp.Diff(whole, pieces, opts); d != "" {
		t.Errorf("chunking changes the events: %s", d)
	}
	if d := cmp.Diff(whole.Messages(), pieces.Messages()); d != "" {
		t.Errorf("chunking changes the content: %s", d)
	}
	if d := cmp.Diff(whole.FinishReasons(), pieces.FinishReasons()); d != "" {
		t.Errorf("chunking changes the finish reasons: %s", d)
	}
}

func fold(t *testing.T, r llm.Reader, body []byte, step int, unedited func(ev *llm.Event)) *llm.Result {
	t.Helper()
	res := new(llm.Result)
	var raw []byte
	emit := func(ev *llm.Event) error {
		raw = append(raw, ev.Raw...)
		if len(ev.Parts) > 0 {
			unedited(ev)
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
