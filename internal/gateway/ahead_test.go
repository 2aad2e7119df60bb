package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/telemetry"
)

const threeBackends = `backends:
  a: {provider: openai, url: "http://127.0.0.1:1"}
  b: {provider: anthropic, url: "http://127.0.0.1:2"}
  c: {provider: gemini, url: "http://127.0.0.1:3"}
routes: [{match: {path: /}, targets: [[{backend: a}], [{backend: b}], [{backend: c}]], retry: {attempts: 5, backoff: {base: 1ms, max: 1ms}}}]
`

// begin opens a call of OpenAI's chat with body, up to its first attempt.
func begin(t *testing.T, e *Engine, in *Incoming, body string) (*Call, *Attempt) {
	t.Helper()
	in.Head, in.Received = llm.Head{Method: http.MethodPost, Path: "/v1/chat/completions", Header: in.Head.Header}, time.Now()
	c := e.Open(t.Context(), in)
	if r := c.Request([]byte(body)); r != nil {
		t.Fatalf("refused: %s", r.Body)
	}
	a, r := c.Attempt()
	if r != nil {
		t.Fatalf("refused: %s", r.Body)
	}
	return c, a
}

// TestAhead tells the attempts that follow, as they follow.
func TestAhead(t *testing.T) {
	e := engineOf(t, threeBackends, telemetry.Options{})
	for _, tt := range []struct{ name, body, want string }{
		{"all", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi!"}]}`, "b c a b"},
		{"one cannot", `{"model":"m","max_tokens":5,"seed":1,"messages":[{"role":"user","content":"Hi!"}]}`, "c a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, a := begin(t, e, &Incoming{}, tt.body)
			defer c.Close()
			var ahead []string
			for _, b := range c.Ahead(nil) {
				ahead = append(ahead, b.Name)
			}
			var followed []string
			for {
				v := a.Failed(ReasonReset)
				if v.Reply != nil {
					break
				}
				next, r := c.Attempt()
				if r != nil {
					break
				}
				followed, a = append(followed, next.Backend.Name), next
			}
			if got := strings.Join(ahead, " "); got != tt.want || got != strings.Join(followed, " ") {
				t.Errorf("ahead %q, followed %q, want %q", ahead, followed, tt.want)
			}
		})
	}
}

// TestEndsOfPlansMadeElsewhere covers a data plane that makes fewer attempts than the plan has.
func TestEndsOfPlansMadeElsewhere(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"user","content":"Hi!"}]}`
	var spans int
	e := engineOf(t, threeBackends, telemetry.Options{Console: func(tr *telemetry.Trace) { spans = len(tr.Spans) }})
	t.Run("no response", func(t *testing.T) {
		c, a := begin(t, e, &Incoming{}, body)
		defer c.Close()
		if r := a.GiveUp(ReasonConnect); r == nil || r.Status != http.StatusBadGateway || !strings.Contains(string(r.Body), "(backend a, 1 attempt)") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a response", func(t *testing.T) {
		c, a := begin(t, e, &Incoming{}, body)
		head := &llm.Head{Status: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {"application/json"}}}
		if v := a.Head(head, "1.1"); !v.Retry {
			t.Fatal("a 503 is not retried")
		}
		a.Keep(head)
		const answer = `{"error":{"message":"busy","type":"server_error"}}`
		seg := c.Body([]byte(answer), true)
		if status := c.Response(http.Header{}); status != http.StatusServiceUnavailable || string(seg.Out) != answer || !seg.End {
			t.Errorf("%d, %q", status, seg.Out)
		}
		c.Close()
		if spans != 3 {
			t.Errorf("%d spans, want SERVER, chat and one attempt", spans)
		}
	})
}

// TestServerSpanOfAnother keeps the trace whole when a proxy in front records its root.
func TestServerSpanOfAnother(t *testing.T) {
	const id, span, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
	server := telemetry.ParseServer(id+"-"+span, true)
	for _, tt := range []struct{ name, traceparent, parent string }{
		{"no caller", "", "0000000000000000"},
		{"its caller", "00-" + id + "-" + caller + "-00", caller},
		{"a caller it does not know", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + caller + "-01", "0000000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var root, chat telemetry.Span
			var trace string
			e := engineOf(t, threeBackends, telemetry.Options{Console: func(tr *telemetry.Trace) {
				root, chat, trace = tr.Spans[0], tr.Spans[1], tr.ID.String()
				if !tr.Sampled {
					t.Error("not sampled, but the proxy's span is")
				}
			}})
			in := &Incoming{Server: server, Head: llm.Head{Header: http.Header{}}}
			if tt.traceparent != "" {
				in.Head.Header.Set("Traceparent", tt.traceparent)
			}
			c, a := begin(t, e, in, `{"model":"m","messages":[{"role":"user","content":"Hi!"}]}`)
			sent := a.Outgoing().Header.Get("Traceparent")
			c.Close()
			if root.ID.String() != span || chat.Parent.String() != span || trace != id || root.Parent.String() != tt.parent {
				t.Errorf("trace %s, root %s below %s, chat below %s", trace, root.ID, root.Parent, chat.Parent)
			}
			if !strings.HasPrefix(sent, "00-"+id+"-") || !strings.HasSuffix(sent, "-01") {
				t.Errorf("traceparent %q", sent)
			}
		})
	}
	for _, bad := range []string{"", "-", id, id + "-", id + "-" + span + "0", id + ":" + span, strings.ToUpper(id) + "-" + span,
		strings.Repeat("0", 32) + "-" + span, id + "-" + strings.Repeat("0", 16)} {
		if telemetry.ParseServer(bad, true).IsValid() {
			t.Errorf("%q is taken", bad)
		}
	}
}
