package console

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/telemetry"
)

// call is the trace of a call that was answered at the second attempt.
func call() *telemetry.Trace {
	at := func(ms int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, ms*1e6, time.UTC) }
	t := &telemetry.Trace{}
	t.ID[0] = 0xab
	root := t.StartSpan("POST /demo", telemetry.KindServer, telemetry.NoSpan, at(0))
	s := t.Span(root)
	s.String(telemetry.HTTPRequestMethod, "POST")
	s.String(telemetry.URLPath, "/demo/v1/chat/completions")
	s.Int(telemetry.HTTPResponseStatusCode, 200)
	s.String(telemetry.SpanwayOutcome, "ok")
	chat := t.StartSpan("chat demo", telemetry.KindClient, root, at(1))
	s = t.Span(chat)
	s.String(telemetry.GenAIOperationName, "chat")
	s.String(telemetry.GenAIProviderName, "demo")
	s.Int(telemetry.GenAIUsageInputTokens, 2)
	s.Float(telemetry.SpanwayCostUSD, 0.00424)
	s.Float(telemetry.GenAIResponseTimeToFirstChunk, 0.0125)
	s.Int(telemetry.SpanwayAttempts, 2)
	for i, from := range []int{1, 60} {
		a := t.StartSpan("POST", telemetry.KindClient, chat, at(from))
		t.Span(a).Int(telemetry.HTTPResponseStatusCode, int64(503-303*i))
		if i == 0 {
			t.Span(a).Fail("503")
		} else {
			t.Span(a).String(telemetry.SpanwayRetryReason, "503")
		}
		t.EndSpan(a, at(from+39))
	}
	t.EndSpan(chat, at(99))
	t.EndSpan(root, at(100))
	return t
}

func TestLine(t *testing.T) {
	var b bytes.Buffer
	New(&b, false).Trace(call())
	want := "03:04:05.100 200 POST /demo/v1/chat/completions  chat demo (demo)  tokens 2→?  $0.0042  first 12.5ms  attempts 2  100ms\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestTree(t *testing.T) {
	var b bytes.Buffer
	New(&b, true).Trace(call())
	want := `trace ab000000000000000000000000000000
  POST /demo            ████████████████████████   100ms  +0µs      status=200
    chat demo           ████████████████████████  98.0ms  +1.00ms
      POST              ██████████··············  39.0ms  +1.00ms   status=503
      POST              ··············██████████  39.0ms  +60.0ms   status=200  retry=503
`
	got := regexp.MustCompile(`(?s)^.*?\n  `).ReplaceAllString(b.String(), "")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestDropped shows what a translation left out, whose names are the client's.
func TestDropped(t *testing.T) {
	r := call()
	r.Spans[1].Strings(telemetry.SpanwayTranslationDropped, []string{"seed", "n\n"})
	var b bytes.Buffer
	New(&b, true).Trace(r)
	if want := "+1.00ms   dropped=seed,n\ufffd\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", b.String(), want)
	}
}

// TestRefused shows a call that got no answer and has no logical span.
func TestRefused(t *testing.T) {
	r := &telemetry.Trace{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	root := r.StartSpan("GET", telemetry.KindServer, telemetry.NoSpan, at)
	r.Span(root).String(telemetry.HTTPRequestMethod, "GET")
	r.Span(root).String(telemetry.URLPath, "/x")
	r.Span(root).String(telemetry.SpanwayOutcome, "client_gone")
	r.EndSpan(root, at)
	var b bytes.Buffer
	p := New(&b, true)
	p.Trace(&telemetry.Trace{}) // nothing to show
	p.Trace(r)
	want := "03:04:05.000 --- GET /x  0µs  client_gone\n"
	if got := b.String(); len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// TestUnreachable shows where an attempt went that got no answer, and names no error twice.
func TestUnreachable(t *testing.T) {
	r := call()
	r.Spans[0].String(telemetry.SpanwayOutcome, "timeout")
	r.Spans[1].Fail("timeout")
	r.Spans[1].Name = "chat " + strings.Repeat("long", 6) + "\x1b[2J\n"
	a := &r.Spans[2]
	a.Unset(telemetry.HTTPResponseStatusCode)
	a.Fail("timeout")
	a.Int(telemetry.SpanwayAttempt, 1)
	a.String(telemetry.ServerAddress, "localhost")
	a.Int(telemetry.ServerPort, 11434)
	var b bytes.Buffer
	New(&b, true).Trace(r)
	want := `03:04:05.100 200 POST /demo/v1/chat/completions  chat longlonglonglonglonglong�[2J� (demo)  tokens 2→?  $0.0042  first 12.5ms  attempts 2  100ms  timeout
  trace ab000000000000000000000000000000
  POST /demo                            ████████████████████████   100ms  +0µs      status=200
    chat longlonglonglonglonglong�[2J�  ████████████████████████  98.0ms  +1.00ms   error=timeout
      POST                              ██████████··············  39.0ms  +1.00ms   error=timeout  server=localhost:11434
      POST                              ··············██████████  39.0ms  +60.0ms   status=200  retry=503
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "0µs",
		999 * time.Microsecond:            "999µs",
		1326 * time.Microsecond:           "1.33ms",
		9996 * time.Microsecond:           "10.0ms",
		43949 * time.Microsecond:          "43.9ms",
		999400 * time.Microsecond:         "999ms",
		999600 * time.Microsecond:         "1.00s",
		59*time.Second + time.Millisecond: "59.00s",
		61*time.Second + time.Millisecond: "1m1s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestDollars(t *testing.T) {
	for v, want := range map[float64]string{
		0: "$0.0000", 12.5: "$12.5000", 0.00424: "$0.0042", 0.001: "$0.0010", 0.00056: "$0.00056", 0.0000021: "$0.0000021",
	} {
		if got := dollars(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}
