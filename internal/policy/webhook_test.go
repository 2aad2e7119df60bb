package policy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// service is a webhook: a struct of what it does.
type service struct {
	answer func(path string, texts []said) (status int, reply string, err error)
	asked  []string
}

// Post implements Poster.
func (s *service) Post(_ context.Context, url string, header http.Header, body []byte) (int, []byte, error) {
	var q struct {
		Body struct {
			Messages []said
			Choices  []struct{ Message said }
		}
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return 0, nil, err
	}
	texts := q.Body.Messages
	for _, c := range q.Body.Choices {
		texts = append(texts, c.Message)
	}
	for _, t := range texts {
		s.asked = append(s.asked, t.Content)
	}
	header.Set("Taken", "over")
	status, reply, err := s.answer(strings.TrimPrefix(url, "http://guard:8000"), texts)
	return status, []byte(reply), err
}

// masking answers with every x of a text made an o.
func masking(path string, texts []said) (int, string, error) {
	key, out := "messages", make([]any, len(texts))
	for i, t := range texts {
		out[i] = said{t.Role, strings.ReplaceAll(t.Content, "x", "o")}
		if path == "/response" {
			key, out[i] = "choices", map[string]any{"message": out[i]}
		}
	}
	b, err := json.Marshal(map[string]any{"action": map[string]any{"body": map[string]any{key: out}}})
	return http.StatusOK, string(b), err
}

func webhook(t testing.TB, s *service, failure string) *WebhookGuard {
	t.Helper()
	p, err := NewWebhookGuard(ir.Guard{Name: "w", Request: "check", Response: "check", Reject: ir.Rejection{Status: 418, Message: "no tea"},
		Webhook: &ir.Webhook{URL: "http://guard:8000", Timeout: time.Second, Failure: failure, Forward: []ir.HeaderMatch{{Name: "x-team", Exact: "ops"}}}}, s)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*WebhookGuard)
}

func TestWebhookRequest(t *testing.T) {
	fixed := func(reply string) func(string, []said) (int, string, error) {
		return func(string, []said) (int, string, error) { return http.StatusOK, reply, nil }
	}
	for _, tt := range []struct {
		name, failure string
		answer        func(string, []said) (int, string, error)
		want          string // the body afterwards
		status        int    // of the refusal
		result        string
		failed        string
	}{
		{"pass", "closed", fixed(`{"action":{"reason":"ok"}}`), "axe\nfix", 0, "passed", ""},
		{"mask", "closed", masking, "aoe\nfio", 0, "masked", ""},
		{"the same texts", "closed", fixed(`{"action":{"body":{"messages":[{"role":"user","content":"axe"},{"role":"user","content":"fix"}]}}}`), "axe\nfix", 0, "passed", ""},
		{"reject", "open", fixed(`{"action":{"body":"no","status_code":451}}`), "axe\nfix", 451, "rejected", ""},
		{"reject without a status", "closed", fixed(`{"action":{"body":"no"}}`), "axe\nfix", 418, "rejected", ""},
		{"reject with an odd status", "closed", fixed(`{"action":{"body":"no","status_code":99}}`), "axe\nfix", 418, "rejected", ""},
		{"fewer messages", "closed", fixed(`{"action":{"body":{"messages":[{"role":"user","content":"axe"}]}}}`), "axe\nfix", 503, "rejected", "malformed"},
		{"another role", "closed", fixed(`{"action":{"body":{"messages":[{"role":"user","content":"axe"},{"role":"system","content":"fix"}]}}}`), "axe\nfix", 503, "rejected", "malformed"},
		{"no action", "open", fixed(`{}`), "axe\nfix", 0, "passed", "malformed"},
		{"no JSON", "reject", fixed(`<html>`), "axe\nfix", 418, "rejected", "malformed"},
		{"an error", "closed", func(string, []said) (int, string, error) { return 500, `{"action":{}}`, nil }, "axe\nfix", 503, "rejected", "malformed"},
		{"no connection", "closed", func(string, []said) (int, string, error) { return 0, "", errors.New("refused: secret address") }, "axe\nfix", 503, "rejected", "connect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call("axe\nfix")
			var rep Report
			_, err := webhook(t, &service{answer: tt.answer}, tt.failure).Check(t.Context(), c, &rep, new(Report))
			var e *llm.Error
			errors.As(err, &e)
			if (e == nil) != (tt.status == 0) || e != nil && e.Status != tt.status || string(c.Request.Raw) != tt.want {
				t.Errorf("%v, %q; want %d, %q", err, c.Request.Raw, tt.status, tt.want)
			}
			if rep.Result != tt.result || rep.Failed != tt.failed || rep.Endpoint != "guard:8000" || rep.Kind != "webhook" {
				t.Errorf("report %+v", rep)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells of the cause: %v", err)
			}
		})
	}
}

// streamed plays a text in pieces of n bytes to a watch of g, and returns what comes out of it.
func streamed(t *testing.T, g *WebhookGuard, text string, n int) (string, error) {
	t.Helper()
	w, err := g.Check(t.Context(), call(""), new(Report), new(Report))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	emit := func(ev *llm.Event) error {
		for _, p := range ev.Parts {
			out.WriteString(p.Text)
		}
		return nil
	}
	for piece := range slices.Chunk([]byte(text), n) {
		if err := w.Event(&llm.Event{Parts: []llm.Part{{Text: string(piece)}}, Raw: piece}, emit); err != nil {
			return out.String(), err
		}
	}
	if err = w.Event(&llm.Event{Choices: []llm.Choice{{Finish: "stop"}}, Parts: []llm.Part{{Text: text, Repeat: true}}}, emit); err == nil {
		err = w.Flush(emit)
	}
	return out.String(), err
}

// What the service is asked, and what the client gets, does not depend on the provider's chunks; what repeats the text is
// not asked about again.
func TestWebhookStream(t *testing.T) {
	text := "The ox stands in the box. It is six years old, says Max, and it waits. Next\nthe fox.\n" + strings.Repeat("x y ", 3000) + "end"
	var first []string
	for n := range 120 {
		s := &service{answer: masking}
		got, err := streamed(t, webhook(t, s, "closed"), text, n+1)
		want := strings.ReplaceAll(text, "x", "o")
		if err != nil || got != want+want {
			t.Fatalf("pieces of %d: %v, %.200q", n+1, err, got)
		}
		if first == nil {
			first = s.asked
			if len(first) < 3 || first[0] != "The ox stands in the box. It is six years old, says Max, and it waits. " {
				t.Errorf("asked about %.200q", first)
			}
		}
		if d := cmp.Diff(first, s.asked); d != "" {
			t.Fatalf("pieces of %d are asked about otherwise:\n%s", n+1, d)
		}
	}
}

func TestWebhookStreamRejects(t *testing.T) {
	asked := 0
	s := &service{answer: func(string, []said) (int, string, error) {
		if asked++; asked == 2 {
			return http.StatusOK, `{"action":{"body":"no more","status_code":403}}`, nil
		}
		return http.StatusOK, `{"action":{}}`, nil
	}}
	good := "A sentence that has more than fifty characters in it, this one. "
	got, err := streamed(t, webhook(t, s, "closed"), good+"A sentence that is as long as that one but says what it must not. ", 7)
	var e *llm.Error
	if !errors.As(err, &e) || e.Status != 403 || e.Message != "no more" || !strings.HasPrefix(good, got) {
		t.Errorf("%v, %q", err, got)
	}
}
