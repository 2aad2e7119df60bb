// Package console shows finished traces on a terminal: one line a call, and on request its span tree with timings, so that
// the first trace is seen without a collector.
package console

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spanway/spanway/internal/telemetry"
)

// Printer writes traces to one writer. It is safe for concurrent use.
type Printer struct {
	mu   sync.Mutex
	w    io.Writer
	tree bool
}

// New returns a printer to w. tree adds the span tree under each call's line.
func New(w io.Writer, tree bool) *Printer { return &Printer{w: w, tree: tree} }

// Trace prints t, which it does not keep. What cannot be written is left out: a terminal that went away stops no call.
func (p *Printer) Trace(t *telemetry.Trace) {
	if len(t.Spans) == 0 {
		return
	}
	b := appendLine(make([]byte, 0, 512), t)
	if p.tree {
		b = appendTree(b, t)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.w.Write(b)
}

// appendLine appends the one line of a call.
func appendLine(b []byte, t *telemetry.Trace) []byte {
	root := &t.Spans[telemetry.Root]
	b = root.End.AppendFormat(b, "15:04:05.000")
	status := "---"
	if a := root.Get(telemetry.HTTPResponseStatusCode); a != nil {
		status = fmt.Sprint(a.Int())
	}
	b = fmt.Appendf(b, " %s %s %s", status, text(root, telemetry.HTTPRequestMethod), text(root, telemetry.URLPath))
	if s := logical(t); s != nil {
		b = fmt.Appendf(b, "  %s", s.Name)
		if p := text(s, telemetry.GenAIProviderName); p != "" {
			b = fmt.Appendf(b, " (%s)", p)
		}
		b = appendFacts(b, s)
	}
	b = fmt.Appendf(b, "  %s", round(root.End.Sub(root.Start)))
	if o := text(root, telemetry.SpanwayOutcome); o != "" && o != "ok" {
		b = fmt.Appendf(b, "  %s", o)
	}
	return append(b, '\n')
}

func appendFacts(b []byte, s *telemetry.Span) []byte {
	in, out := s.Get(telemetry.GenAIUsageInputTokens), s.Get(telemetry.GenAIUsageOutputTokens)
	if in != nil || out != nil {
		b = append(b, "  tokens "...)
		b = appendCount(b, in)
		b = append(b, "→"...)
		b = appendCount(b, out)
	}
	if a := s.Get(telemetry.GenAIResponseTimeToFirstChunk); a != nil {
		b = fmt.Appendf(b, "  first %s", round(time.Duration(a.Float()*float64(time.Second))))
	}
	if a := s.Get(telemetry.SpanwayAttempts); a != nil && a.Int() > 1 {
		b = fmt.Appendf(b, "  attempts %d", a.Int())
	}
	if e := text(s, telemetry.ErrorType); e != "" {
		b = fmt.Appendf(b, "  error %s", e)
	}
	return b
}

func appendCount(b []byte, a *telemetry.Attr) []byte {
	if a == nil {
		return append(b, '?')
	}
	return fmt.Append(b, a.Int())
}

// logical is the span of the LLM operation, nil when there is none.
func logical(t *telemetry.Trace) *telemetry.Span {
	for i := range t.Spans {
		if t.Spans[i].Get(telemetry.GenAIOperationName) != nil {
			return &t.Spans[i]
		}
	}
	return nil
}

// nameWidth is how wide names and their indentation are, characters; barWidth the time line.
const (
	nameWidth = 44
	barWidth  = 24
)

// appendTree appends t's spans, children under their parents, each with its place on the call's time line.
func appendTree(b []byte, t *telemetry.Trace) []byte {
	b = fmt.Appendf(b, "  trace %s\n", t.ID)
	root := &t.Spans[telemetry.Root]
	return appendChildren(b, t, root, "  ", root.Start, max(root.End.Sub(root.Start), 1))
}

func appendChildren(b []byte, t *telemetry.Trace, s *telemetry.Span, indent string, start time.Time, whole time.Duration) []byte {
	b = appendSpan(b, s, indent, start, whole)
	for i := range t.Spans {
		if c := &t.Spans[i]; c.Parent == s.ID && c != s {
			b = appendChildren(b, t, c, indent+"  ", start, whole)
		}
	}
	return b
}

func appendSpan(b []byte, s *telemetry.Span, indent string, start time.Time, whole time.Duration) []byte {
	name := indent + s.Name
	b = append(b, name...)
	b = append(b, strings.Repeat(" ", max(nameWidth-len(name), 1))...)
	from := min(int(int64(barWidth)*int64(s.Start.Sub(start))/int64(whole)), barWidth-1)
	from = max(from, 0)
	length := min(max(int(int64(barWidth)*int64(s.End.Sub(s.Start))/int64(whole)), 1), barWidth-from)
	b = append(b, strings.Repeat("·", from)...)
	b = append(b, strings.Repeat("█", length)...)
	b = append(b, strings.Repeat("·", barWidth-from-length)...)
	b = fmt.Appendf(b, " %9s +%s", round(s.End.Sub(s.Start)), round(s.Start.Sub(start)))
	for _, k := range []telemetry.Key{telemetry.HTTPResponseStatusCode, telemetry.ErrorType, telemetry.SpanwayRetryReason, telemetry.SpanwayGuardrailResult, telemetry.SpanwayBackend} {
		if a := s.Get(k); a != nil {
			short := k.String()[strings.LastIndexByte(k.String(), '.')+1:]
			if a.Type == telemetry.TypeInt {
				b = fmt.Appendf(b, "  %s=%d", short, a.Int())
			} else {
				b = fmt.Appendf(b, "  %s=%s", short, a.Str)
			}
		}
	}
	return append(b, '\n')
}

func text(s *telemetry.Span, k telemetry.Key) string {
	if a := s.Get(k); a != nil {
		return a.Str
	}
	return ""
}

// round keeps three significant places of a duration.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
