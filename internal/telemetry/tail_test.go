package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/ir"
)

// ended fills a trace with a usual call of 302 ms that has ended with outcome.
func ended(outcome string) *Trace {
	t := newTrace()
	sampleCall(t, t.base)
	t.Spans[0].String(SpanwayOutcome, outcome)
	t.Spans[0].String(SpanwayRoute, "smart")
	t.Spans[1].String(SpanwayOutcome, outcome)
	t.Spans[2].Int(SpanwayAttempt, 1)
	return t
}

func TestTailRules(t *testing.T) {
	everything := ir.Tail{Errors: true, Blocked: true, SlowerThan: 300 * time.Millisecond, CostlierThan: 0.05, Match: "status == 200"}
	costly := func(t *Trace) { t.Spans[1].Float(SpanwayCostUSD, 0.06) }
	slow := func(t *Trace) { t.Spans[0].End = t.Spans[0].Start.Add(time.Minute) }
	parent := func(flags trace.TraceFlags) func(*Trace) {
		return func(t *Trace) {
			t.Parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: t.ID, SpanID: newSpanID(), TraceFlags: flags, Remote: true})
		}
	}
	tests := map[string]struct {
		rules   ir.Tail
		outcome string
		change  func(*Trace)
		want    verdict
	}{
		"nothing":                 {ir.Tail{}, "ok", nil, droppedProbability},
		"all of the rest":         {ir.Tail{Keep: 1}, "ok", nil, keptProbability},
		"error":                   {ir.Tail{Errors: true}, "upstream_error", nil, keptError},
		"the client's error":      {ir.Tail{Errors: true}, "client_error", nil, keptError},
		"no rule for errors":      {ir.Tail{Blocked: true}, "upstream_error", nil, droppedProbability},
		"ok is no error":          {ir.Tail{Errors: true, Blocked: true}, "ok", nil, droppedProbability},
		"failed without outcome":  {ir.Tail{Errors: true}, "", func(t *Trace) { t.Spans[1].Fail("reset") }, keptError},
		"a retry that helped":     {ir.Tail{Errors: true}, "ok", func(t *Trace) { t.Spans[2].Fail("503") }, droppedProbability},
		"blocked":                 {ir.Tail{Blocked: true}, "blocked", nil, keptBlocked},
		"blocked is no error":     {ir.Tail{Errors: true}, "blocked", func(t *Trace) { t.Spans[1].Fail("guardrail_rejected") }, droppedProbability},
		"slow":                    {ir.Tail{SlowerThan: 301 * time.Millisecond}, "ok", nil, keptSlow},
		"just not slow":           {ir.Tail{SlowerThan: 302 * time.Millisecond}, "ok", nil, droppedProbability},
		"costly":                  {ir.Tail{CostlierThan: 0.05}, "ok", costly, keptCostly},
		"just not costly":         {ir.Tail{CostlierThan: 0.06}, "ok", costly, droppedProbability},
		"without a price":         {ir.Tail{CostlierThan: 0.05}, "ok", nil, droppedProbability},
		"no bound of cost":        {ir.Tail{}, "ok", costly, droppedProbability},
		"match":                   {ir.Tail{Match: `route == "smart"`}, "ok", nil, keptMatch},
		"no match":                {ir.Tail{Match: `route == "other"`}, "ok", nil, droppedProbability},
		"match cannot be told":    {ir.Tail{Match: `attributes["gen_ai.request.seed"] == 1`}, "ok", nil, keptMatchError},
		"match is stopped":        {ir.Tail{Match: strings.Repeat("attributes.size() > 0 && ", 20) + everyNumber}, "ok", nil, keptMatchError},
		"error goes first":        {everything, "timeout", slow, keptError},
		"blocked goes before":     {everything, "blocked", slow, keptBlocked},
		"slow goes before":        {everything, "ok", costly, keptSlow},
		"sampled parent":          {ir.Tail{}, "ok", parent(trace.FlagsSampled), keptParent},
		"sampled parent first":    {everything, "timeout", parent(trace.FlagsSampled), keptParent},
		"unsampled parent":        {ir.Tail{}, "ok", parent(0), droppedProbability},
		"not taken by the head":   {everything, "timeout", func(t *Trace) { t.Sampled = false }, droppedHead},
		"a trace without a span":  {everything, "", func(t *Trace) { t.Spans = t.Spans[:0] }, droppedProbability},
		"a path without dialect":  {ir.Tail{Errors: true}, "client_error", func(t *Trace) { t.Spans = t.Spans[:1] }, keptError},
		"refused before the call": {ir.Tail{Match: `backend == "gpt" && provider == "openai"`}, "ok", passedThrough, keptMatch},
	}
	for name, c := range tests {
		d, err := newTail(&c.rules)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tr := ended(c.outcome)
		if c.change != nil {
			c.change(tr)
		}
		if got := d.decide(tr); got != c.want {
			t.Errorf("%s: %v, want %v", name, verdicts[got], verdicts[c.want])
		}
	}
}

// everyNumber goes through 10^7 combinations.
const everyNumber = `[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c,
	[0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2,3,4,5,6,7,8,9].all(e, [0,1,2,3,4,5,6,7,8,9].all(f, [0,1,2,3,4,5,6,7,8,9].all(g,
	a + b + c + d + e + f + g < attempts + 100)))))))`

// passedThrough makes t the trace of a path that no dialect knows: SERVER and an attempt.
func passedThrough(t *Trace) {
	t.Spans[1] = t.Spans[2]
	t.Spans[1].String(SpanwayProvider, "openai")
	t.Spans = t.Spans[:2]
}

func TestMatchVariables(t *testing.T) {
	tr := ended("ok")
	chat := &tr.Spans[1]
	chat.Bool(GenAIRequestStream, true)
	chat.Float(GenAIResponseTimeToFirstChunk, 0.25)
	chat.Float(SpanwayCostUSD, 0.0125)
	chat.String(SpanwayBackend, "gpt")
	chat.String(ErrorType, "reset")
	for _, result := range []string{"passed", "rejected", "masked"} {
		tr.Span(tr.StartSpan("run_guardrail g", KindInternal, Root, tr.base)).String(SpanwayGuardrailResult, result)
	}
	c := finishedCall(tr)
	for _, expression := range []string{
		`outcome == "ok"`, `route == "smart"`, `backend == "gpt"`, `provider == "openai"`, `model == "gpt-4o"`,
		`operation == "chat"`, `error_type == "reset"`, `status == 200`, `attempts == 1`, `duration > 0.301 && duration < 0.303`,
		`time_to_first_chunk == 0.25`, `input_tokens == 120`, `output_tokens == 48`, `cost == 0.0125`, `stream`,
		`guardrail == "rejected"`,
		`duration < 1 && cost < 1 && status > 199.5`, // numbers are ordered whatever their types
		`attributes["gen_ai.response.model"].matches("^gpt-4o-\\d+")`,
		`attributes["gen_ai.usage.input_tokens"] > 100`,
		`attributes["gen_ai.request.temperature"] == 0.7`,
		`"stop" in attributes["gen_ai.response.finish_reasons"]`,
		`attributes["url.path"] == "/v1/chat/completions"`, // SERVER's
		`attributes["server.address"] == "api.openai.com"`, // the logical span's
		`!("gen_ai.request.seed" in attributes)`,
	} {
		m, err := newMatcher(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if yes, err := m.matches(c); !yes || err != nil {
			t.Errorf("%s is %v, %v", expression, yes, err)
		}
	}
	empty := finishedCall(newTrace())
	m, err := newMatcher(`outcome + route + backend + provider + model + operation + error_type + guardrail == "" && !stream &&
		status + attempts + input_tokens + output_tokens == 0 && duration + time_to_first_chunk + cost == 0.0 && attributes.size() == 0`)
	if err != nil {
		t.Fatal(err)
	}
	if yes, err := m.matches(empty); !yes || err != nil {
		t.Errorf("of an empty trace: %v, %v", yes, err)
	}
}

func TestMatchErrors(t *testing.T) {
	for expression, want := range map[string]string{
		"":                        "at 1:1: Syntax error",
		"status >":                "at 1:9: Syntax error",
		"status == 200 &&\n sta":  "at 2:2: undeclared reference to 'sta'",
		`route == 3`:              "at 1:7: found no matching overload for '_==_' applied to '(string, int)'",
		"duration":                "gives double, not a bool",
		`attributes["x"]`:         "gives dyn, not a bool",
		`model.matches("(")`:      "error parsing regexp: missing closing ): `(`",
		strings.Repeat(" ", 4097): "4097 bytes, more than 4096",
	} {
		err := CheckMatch(expression)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", expression, err, want)
		}
	}
	if err := CheckMatch(`status >= 500 || model.startsWith("o3")`); err != nil {
		t.Error(err)
	}
}

func TestTailErrors(t *testing.T) {
	for _, bad := range []ir.Tail{{Keep: -0.1}, {Keep: 1.1}, {Match: "nothing"}} {
		if p, err := New(t.Context(), ir.Telemetry{Tail: &bad}, Options{Getenv: noEnv}); err == nil {
			t.Errorf("%+v is accepted", bad)
			_ = p.Shutdown(t.Context())
		}
	}
}

// What no rule keeps is kept as the SDK would keep it, so that the processes which a trace goes through decide alike.
func TestTailProbabilityAgreesWithTheSDK(t *testing.T) {
	want := sdktrace.TraceIDRatioBased(0.3)
	d, err := newTail(&ir.Tail{Errors: true, Keep: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for range 3000 {
		tr := ended("ok")
		v := d.decide(tr)
		s := want.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: tr.ID})
		if v.kept() != (s.Decision == sdktrace.RecordAndSample) {
			t.Fatalf("%v for %v, the SDK decides %v", verdicts[v], tr.ID, s.Decision)
		}
		if v.kept() {
			kept++
		}
	}
	if kept < 700 || kept > 1100 {
		t.Errorf("%d of 3000 at 0.3", kept)
	}
}

// Only what is kept is exported and has a reason; every call is measured, and every decision counted.
func TestTailOfAPipeline(t *testing.T) {
	seen := map[string]int{}
	p := newPipeline(t, ir.Telemetry{Tail: &ir.Tail{Errors: true}}, Options{Console: func(t *Trace) {
		reason := ""
		if a := t.Spans[0].Get(SpanwaySamplingReason); a != nil {
			reason = a.Str
		}
		seen[fmt.Sprintf("sampled=%v reason=%s", t.Sampled, reason)]++
	}})
	finish := func(outcome, flags string) {
		h := http.Header{}
		if flags != "" {
			h.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+flags)
		}
		tr := p.Start(h)
		sampleCall(tr, tr.base)
		tr.Spans[0].String(SpanwayOutcome, outcome)
		p.Finish(tr)
	}
	for range 3 {
		finish("ok", "")
	}
	finish("timeout", "")
	finish("ok", "01")
	finish("timeout", "00")
	want := map[string]int{"sampled=false reason=": 4, "sampled=true reason=error": 1, "sampled=true reason=parent": 1}
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	cumulative := p.meter.producer(metricdata.CumulativeTemporality).(*producer)
	delta := p.meter.producer(metricdata.DeltaTemporality).(*producer)
	counts := map[string]string{
		"spanway.telemetry.traces{decision=kept,reason=error}":           "1",
		"spanway.telemetry.traces{decision=kept,reason=parent}":          "1",
		"spanway.telemetry.traces{decision=not_kept,reason=head}":        "1",
		"spanway.telemetry.traces{decision=not_kept,reason=probability}": "3",
	}
	check := func(of *producer, calls string) {
		t.Helper()
		got := map[string]string{}
		for name, n := range points(t, of) {
			switch {
			case strings.HasPrefix(name, "spanway.telemetry.traces{"):
				got[name] = n
			case strings.HasPrefix(name, "gen_ai.client.operation.duration{") && !strings.HasPrefix(n, calls+" "):
				t.Errorf("%s: %s, want all %s calls", name, n, calls)
			}
		}
		if d := cmp.Diff(counts, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
	check(cumulative, "6")
	check(delta, "6")
	finish("ok", "")
	counts["spanway.telemetry.traces{decision=not_kept,reason=probability}"] = "4"
	check(cumulative, "7")
	for name := range counts {
		counts[name] = "0"
	}
	counts["spanway.telemetry.traces{decision=not_kept,reason=probability}"] = "1"
	check(delta, "1")
}

func TestWithoutTailNothingIsCounted(t *testing.T) {
	p := newPipeline(t, ir.Telemetry{}, Options{})
	tr := p.Start(nil)
	sampleCall(tr, tr.base)
	p.Finish(tr)
	for name := range points(t, p.meter.producer(metricdata.CumulativeTemporality).(*producer)) {
		if strings.HasPrefix(name, "spanway.telemetry.traces") {
			t.Errorf("%s without telemetry.tail", name)
		}
	}
}

func BenchmarkTailRules(b *testing.B) {
	benchmarkCall(b, ir.Telemetry{Tail: &ir.Tail{Errors: true, Blocked: true, SlowerThan: time.Minute, CostlierThan: 1}})
}

func BenchmarkTailMatch(b *testing.B) {
	benchmarkCall(b, ir.Telemetry{Tail: &ir.Tail{Match: `status >= 500 || input_tokens > 10000 && model.startsWith("o3")`}})
}
