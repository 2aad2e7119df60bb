package collector

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// printed is what a Collector's debug exporter wrote, verbosity detailed.
type printed struct {
	spans   []span
	points  []point
	batches int // export requests with spans
}

// span is one span as printed.
type span struct {
	service, scope                        string
	trace, parent, id, name, kind, status string
	attrs                                 map[string]string // values as printed: Str(x), Int(1)
	batch                                 int               // the request that it came in, from 1
}

// point is one data point of a metric as printed.
type point struct {
	service, metric string
	attrs           map[string]string
	count           int64 // of a histogram
	sum             float64
	value           int64 // of a counter
}

// printer follows the lines of a Collector's output.
type printer struct {
	out            printed
	service, scope string
	metric         string
	section        string
}

// Sections whose lines are attributes.
const (
	ofResource = "Resource attributes:"
	ofSpan     = "Attributes:"
	ofPoint    = "Data point attributes:"
)

func parsePrinted(text string) *printed {
	var p printer
	for line := range strings.Lines(text) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	return &p.out
}

func (p *printer) line(line string) {
	switch {
	case strings.HasPrefix(line, "Traces\t"):
		p.out.batches++
	case strings.HasPrefix(line, "Span #"):
		p.out.spans = append(p.out.spans, span{service: p.service, scope: p.scope, batch: p.out.batches, attrs: map[string]string{}})
		p.section = ""
	case strings.HasPrefix(line, "HistogramDataPoints #"), strings.HasPrefix(line, "NumberDataPoints #"):
		p.out.points = append(p.out.points, point{service: p.service, metric: p.metric, attrs: map[string]string{}})
		p.section = ""
	case strings.HasPrefix(line, "InstrumentationScope "):
		p.scope, _, _ = strings.Cut(strings.TrimPrefix(line, "InstrumentationScope "), " ")
	case strings.HasPrefix(line, "     -> "):
		p.entry(strings.TrimPrefix(line, "     -> "))
	case strings.HasPrefix(line, "    "):
		p.field(line)
	case strings.HasSuffix(line, ":"):
		p.section = line
	default:
		p.number(line)
	}
}

// entry is a line of a list: of attributes, or of what describes a metric.
func (p *printer) entry(line string) {
	k, v, _ := strings.Cut(line, ": ")
	switch {
	case p.section == ofResource && k == "service.name":
		p.service = v
	case p.section == ofSpan && len(p.out.spans) > 0:
		p.out.spans[len(p.out.spans)-1].attrs[k] = v
	case p.section == ofPoint && len(p.out.points) > 0:
		p.out.points[len(p.out.points)-1].attrs[k] = v
	case p.section == "Descriptor:" && k == "Name":
		p.metric = v
	}
}

// field is a line of a span's head.
func (p *printer) field(line string) {
	if len(p.out.spans) == 0 || p.section != "" {
		return
	}
	s := &p.out.spans[len(p.out.spans)-1]
	k, v, _ := strings.Cut(line, ":")
	v = strings.TrimSpace(v)
	switch strings.TrimSpace(k) {
	case "Trace ID":
		s.trace = v
	case "Parent ID":
		s.parent = v
	case "ID":
		s.id = v
	case "Name":
		s.name = v
	case "Kind":
		s.kind = v
	case "Status code":
		s.status = v
	}
}

// number is a line of a data point.
func (p *printer) number(line string) {
	k, v, ok := strings.Cut(line, ": ")
	if !ok || len(p.out.points) == 0 {
		return
	}
	pt := &p.out.points[len(p.out.points)-1]
	switch k {
	case "Count":
		pt.count, _ = strconv.ParseInt(v, 10, 64)
	case "Sum":
		pt.sum, _ = strconv.ParseFloat(v, 64)
	case "Value":
		pt.value, _ = strconv.ParseInt(v, 10, 64)
	}
}

// of are the spans and points of one service.
func (p *printed) of(service string) *printed {
	service = "Str(" + service + ")"
	out := &printed{batches: p.batches}
	for i := range p.spans {
		if p.spans[i].service == service {
			out.spans = append(out.spans, p.spans[i])
		}
	}
	for i := range p.points {
		if p.points[i].service == service {
			out.points = append(out.points, p.points[i])
		}
	}
	return out
}

// with are the points of a metric whose attribute has the value; key "" is all of them.
func (p *printed) with(metric, key, value string) (out []point) {
	for i := range p.points {
		if p.points[i].metric == metric && (key == "" || p.points[i].attrs[key] == value) {
			out = append(out, p.points[i])
		}
	}
	return out
}

func TestParsePrinted(t *testing.T) {
	const text = `Traces	{"resource spans": 1, "spans": 1}
ResourceSpans #0
Resource attributes:
     -> service.name: Str(a)
ScopeSpans #0
InstrumentationScope spanway 1
Span #0
    Trace ID       : t1
    Parent ID      : 
    ID             : s1
    Name           : chat x
    Kind           : Client
    Status code    : Unset
Attributes:
     -> url.full: Str(http://h/p: q)
Events:
SpanEvent #0
     -> Name: e
     -> Attributes::
          -> url.full: Str(no)
	{"resource": {}}
Metrics	{"resource metrics": 1}
Resource attributes:
     -> service.name: Str(b)
InstrumentationScope spanway 1
Metric #0
Descriptor:
     -> Name: m
HistogramDataPoints #0
Data point attributes:
     -> k: Str(v)
Count: 2
Sum: 1.5
Exemplars:
Exemplar #0
     -> Value: 9
Metric #1
Descriptor:
     -> Name: n
NumberDataPoints #0
Value: 7
`
	want := &printed{
		batches: 1,
		spans: []span{{service: "Str(a)", scope: "spanway", trace: "t1", id: "s1", name: "chat x", kind: "Client", status: "Unset",
			attrs: map[string]string{"url.full": "Str(http://h/p: q)"}, batch: 1}},
		points: []point{
			{service: "Str(b)", metric: "m", attrs: map[string]string{"k": "Str(v)"}, count: 2, sum: 1.5},
			{service: "Str(b)", metric: "n", attrs: map[string]string{}, value: 7},
		},
	}
	got := parsePrinted(text)
	if d := cmp.Diff(want, got, cmp.AllowUnexported(printed{}, span{}, point{})); d != "" {
		t.Error(d)
	}
	if p := got.of("b"); len(p.spans) != 0 || len(p.with("m", "k", "Str(v)")) != 1 || len(p.with("n", "", "")) != 1 {
		t.Errorf("of b: %+v", p)
	}
}
