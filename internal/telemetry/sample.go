package telemetry

import (
	"context"
	"fmt"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/ir"
)

// sampler is one of OpenTelemetry's six head samplers (specification, Trace SDK, Built-in samplers): what decides for a
// trace that begins here, and whether a caller's decision stands before it. The SDK's own samplers decide.
type sampler struct {
	root        sdktrace.Sampler
	parentBased bool
}

// newSampler takes the names of OTEL_TRACES_SAMPLER and their camel-case spellings, in any case; "" is
// parentbased_always_on.
func newSampler(c ir.Sampler) (sampler, error) {
	name := strings.ReplaceAll(strings.ToLower(c.Type), "_", "")
	if name == "" {
		name = "parentbasedalwayson"
	}
	kind, parentBased := strings.CutPrefix(name, "parentbased")
	s := sampler{parentBased: parentBased}
	switch kind {
	case "alwayson":
		s.root = sdktrace.AlwaysSample()
	case "alwaysoff":
		s.root = sdktrace.NeverSample()
	case "traceidratio":
		if !(c.Ratio >= 0 && c.Ratio <= 1) {
			return sampler{}, fmt.Errorf("sampler ratio %v is not between 0 and 1", c.Ratio)
		}
		s.root = sdktrace.TraceIDRatioBased(c.Ratio)
	default:
		return sampler{}, fmt.Errorf("unknown sampler %q: use always_on, always_off, traceidratio, "+
			"parentbased_always_on, parentbased_always_off or parentbased_traceidratio", c.Type)
	}
	return s, nil
}

// sample decides for the trace id, the part of it that is recorded here being below parent, if that is valid.
func (s sampler) sample(id trace.TraceID, parent trace.SpanContext) bool {
	if s.parentBased && parent.IsValid() {
		return parent.IsSampled()
	}
	r := s.root.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id})
	return r.Decision == sdktrace.RecordAndSample
}
