// Package console shows finished traces on a terminal: one line a call, and on request its span tree with timings, so that
// the first trace is seen without a collector.
package console

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

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
	outcome := text(root, telemetry.SpanwayOutcome)
	if s := logical(t); s != nil {
		b = fmt.Appendf(b, "  %s", clean(s.Name))
		if p := text(s, telemetry.GenAIProviderName); p != "" {
			b = fmt.Appendf(b, " (%s)", p)
		}
		b = appendFacts(b, s)
		if e := text(s, telemetry.ErrorType); e != "" && e != outcome {
			b = fmt.Appendf(b, "  error %s", e)
		}
	}
	b = append(append(b, "  "...), duration(root.End.Sub(root.Start))...)
	if outcome != "" && outcome != "ok" {
		b = fmt.Appendf(b, "  %s", outcome)
	}
	return append(b, '\n')
}

func appendFacts(b []byte, s *telemetry.Span) []byte {
	in, out := s.Get(telemetry.GenAIUsageInputTokens), s.Get(telemetry.GenAIUsageOutputTokens)
	if in != nil || out != nil {
		b = append(b, "  tokens "...)
		b = appendCount(b, in)
		if out != nil || text(s, telemetry.GenAIOperationName) != "embeddings" {
			b = append(b, "→"...)
			b = appendCount(b, out)
		}
	}
	if a := s.Get(telemetry.SpanwayCostUSD); a != nil {
		b = append(append(b, "  "...), dollars(a.Float())...)
	}
	if a := s.Get(telemetry.GenAIResponseTimeToFirstChunk); a != nil {
		b = append(append(b, "  first "...), duration(time.Duration(a.Float()*float64(time.Second)))...)
	}
	if a := s.Get(telemetry.SpanwayAttempts); a != nil && a.Int() > 1 {
		b = fmt.Appendf(b, "  attempts %d", a.Int())
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

// Widths of a tree's columns, characters. Names are as wide as the widest of the trace, within bounds.
const (
	minNameWidth = 24
	maxNameWidth = 56
	barWidth     = 24
)

// tree is the picture of one trace.
type tree struct {
	t         *telemetry.Trace
	nameWidth int
	start     time.Time
	whole     time.Duration // more than 0
}

// appendTree appends t's spans, children under their parents, each with its place on the call's time line.
func appendTree(b []byte, t *telemetry.Trace) []byte {
	b = fmt.Appendf(b, "  trace %s\n", t.ID)
	root := &t.Spans[telemetry.Root]
	p := tree{t: t, nameWidth: minNameWidth, start: root.Start, whole: max(root.End.Sub(root.Start), 1)}
	p.measure(root, 2)
	p.nameWidth = min(p.nameWidth, maxNameWidth)
	return p.appendSpans(b, root, 2)
}

// measure widens the column of names to s and what is below it.
func (p *tree) measure(s *telemetry.Span, indent int) {
	p.nameWidth = max(p.nameWidth, indent+utf8.RuneCountInString(s.Name)+2)
	for i := range p.t.Spans {
		if c := &p.t.Spans[i]; c.Parent == s.ID && c != s {
			p.measure(c, indent+2)
		}
	}
}

func (p *tree) appendSpans(b []byte, s *telemetry.Span, indent int) []byte {
	b = p.appendSpan(b, s, indent)
	for i := range p.t.Spans {
		if c := &p.t.Spans[i]; c.Parent == s.ID && c != s {
			b = p.appendSpans(b, c, indent+2)
		}
	}
	return b
}

func (p *tree) appendSpan(b []byte, s *telemetry.Span, indent int) []byte {
	name := clean(s.Name)
	b = append(append(b, strings.Repeat(" ", indent)...), name...)
	b = append(b, strings.Repeat(" ", max(p.nameWidth-indent-utf8.RuneCountInString(name), 1))...)
	from := min(p.column(s.Start), barWidth-1)
	to := max(p.column(s.End), from+1)
	b = append(b, strings.Repeat("·", from)...)
	b = append(b, strings.Repeat("█", to-from)...)
	b = append(b, strings.Repeat("·", barWidth-to)...)
	b = fmt.Appendf(b, " %7s  +%-7s", duration(s.End.Sub(s.Start)), duration(s.Start.Sub(p.start)))
	b = appendAttributes(b, s)
	return append(bytes.TrimRight(b, " "), '\n')
}

// column is where t is on the time line, 0 to barWidth.
func (p *tree) column(t time.Time) int {
	at := float64(barWidth) * float64(t.Sub(p.start)) / float64(p.whole)
	return min(max(int(math.Round(at)), 0), barWidth)
}

// appendAttributes appends what tells s from others: a status, an error that the status does not say, why it is a retry.
func appendAttributes(b []byte, s *telemetry.Span) []byte {
	status := ""
	if a := s.Get(telemetry.HTTPResponseStatusCode); a != nil {
		status = strconv.FormatInt(a.Int(), 10)
	}
	failure := text(s, telemetry.ErrorType)
	if failure == status {
		failure = ""
	}
	server := ""
	if attempted := s.Get(telemetry.SpanwayAttempt) != nil; attempted && status == "" {
		server = text(s, telemetry.ServerAddress)
		if a := s.Get(telemetry.ServerPort); a != nil {
			server = net.JoinHostPort(server, strconv.FormatInt(a.Int(), 10))
		}
	}
	for _, f := range [...]struct{ name, value string }{
		{"status", status},
		{"error", failure},
		{"server", server},
		{"retry", text(s, telemetry.SpanwayRetryReason)},
		{"result", text(s, telemetry.SpanwayGuardrailResult)},
		{"rule", text(s, telemetry.SpanwayGuardrailRule)},
		{"backend", text(s, telemetry.SpanwayBackend)},
		{"dropped", list(s, telemetry.SpanwayTranslationDropped)},
	} {
		if f.value != "" {
			b = fmt.Appendf(b, "  %s=%s", f.name, f.value)
		}
	}
	return b
}

// text is the string k of s, "" when it has none.
func text(s *telemetry.Span, k telemetry.Key) string {
	if a := s.Get(k); a != nil {
		return clean(a.Str)
	}
	return ""
}

// list is the strings k of s, "" when it has none.
func list(s *telemetry.Span, k telemetry.Key) string {
	if a := s.Get(k); a != nil {
		return clean(strings.Join(a.Strs, ","))
	}
	return ""
}

// clean replaces control characters: what clients and providers sent must neither begin a line nor move the cursor.
func clean(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// dollars is v with two significant digits, and four decimals at least.
func dollars(v float64) string {
	decimals := 4
	for least := 0.001; v < least && v > 0 && decimals < 12; least /= 10 {
		decimals++
	}
	return "$" + strconv.FormatFloat(v, 'f', decimals, 64)
}

// duration is d with three significant digits, as far as a microsecond.
func duration(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case ms < 9.995:
		return strconv.FormatFloat(ms, 'f', 2, 64) + "ms"
	case ms < 99.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + "s"
	}
	return d.Round(time.Second).String()
}
