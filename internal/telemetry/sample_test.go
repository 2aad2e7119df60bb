package telemetry

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/ir"
)

// Every sampler decides as the SDK's does, for roots and for children of sampled and unsampled callers.
func TestSamplersAgreeWithTheSDK(t *testing.T) {
	ratio := sdktrace.TraceIDRatioBased(0.3)
	tests := map[string]sdktrace.Sampler{
		"always_on":                sdktrace.AlwaysSample(),
		"alwaysOn":                 sdktrace.AlwaysSample(),
		"always_off":               sdktrace.NeverSample(),
		"alwaysOff":                sdktrace.NeverSample(),
		"traceidratio":             ratio,
		"":                         sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"parentbased_always_on":    sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"parentbasedAlwaysOn":      sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"parentbased_always_off":   sdktrace.ParentBased(sdktrace.NeverSample()),
		"parentbasedAlwaysOff":     sdktrace.ParentBased(sdktrace.NeverSample()),
		"parentbased_traceidratio": sdktrace.ParentBased(ratio),
		"parentbasedTraceidratio":  sdktrace.ParentBased(ratio),
	}
	for name, want := range tests {
		s, err := newSampler(ir.Sampler{Type: name, Ratio: 0.3})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sampled := 0
		for i := range 3000 {
			tr := &Trace{ID: newTraceID()}
			ctx := context.Background()
			if i%3 > 0 {
				tr.Parent = trace.NewSpanContext(trace.SpanContextConfig{
					TraceID: tr.ID, SpanID: newSpanID(), TraceFlags: trace.TraceFlags(i % 3 & 1), Remote: true,
				})
				ctx = trace.ContextWithRemoteSpanContext(ctx, tr.Parent)
			}
			got := s.sample(tr.ID, tr.Parent)
			d := want.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: tr.ID}).Decision
			if got != (d == sdktrace.RecordAndSample) {
				t.Fatalf("%s: %v for trace %v with parent %v, the SDK decides %v", name, got, tr.ID, tr.Parent, d)
			}
			if got {
				sampled++
			}
		}
		if name == "traceidratio" && (sampled < 700 || sampled > 1100) {
			t.Errorf("%s: %d of 3000 at ratio 0.3", name, sampled)
		}
	}
}

func TestSamplerErrors(t *testing.T) {
	for _, bad := range []ir.Sampler{{Type: "sometimes"}, {Type: "parentbased_"}, {Type: "traceidratio", Ratio: 1.5},
		{Type: "traceidratio", Ratio: -1}} {
		if _, err := newSampler(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
