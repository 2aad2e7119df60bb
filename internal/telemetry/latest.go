package telemetry

import (
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/spanway/spanway/internal/llm"
)

// renameLatest gives s the names of the GenAI conventions after 1.41 (semantic-conventions-genai, Client Inference).
func (s *Span) renameLatest() {
	if a := s.Get(GenAIUsageCacheCreation); a != nil {
		a.Key = GenAIUsageCacheWrite
	}
}

// tokenCounters are the parts of the tokens of one series. They are counted for the conventions after 1.41 only.
type tokenCounters struct {
	cacheRead, cacheWrite, reasoning atomic.Int64
}

func (c *tokenCounters) record(s *Span) {
	for _, part := range [...]struct {
		key Key
		to  *atomic.Int64
	}{{GenAIUsageCacheRead, &c.cacheRead}, {GenAIUsageCacheCreation, &c.cacheWrite}, {GenAIUsageReasoning, &c.reasoning}} {
		if a := s.Get(part.key); a != nil && a.Int() > 0 {
			part.to.Add(a.Int())
		}
	}
}

// latest collects the metrics of calls under the names after 1.41 (semantic-conventions-genai, Client Inference and Client
// Embeddings): embeddings apart, tokens as counters of what was used and as histograms of what one operation took.
func (p *producer) latest(now time.Time) []metricdata.Metrics {
	var duration, firstChunk, perChunk, input, output, embedding, embedded pointList
	var usedInput, usedOutput, cacheRead, cacheWrite, reasoning counterList
	for s := range p.m.calls.table.values() {
		base := s.firstChunk.attrs
		add := func(to *pointList, h *histogram, attrs attribute.Set) {
			if c := p.collect(h); c.count > 0 {
				d := h.point(c, p.start, now)
				d.Attributes = attrs
				to.add(d)
			}
		}
		if op, _ := base.Value(attribute.Key(names[GenAIOperationName])); op.AsString() == string(llm.OpEmbeddings) {
			add(&embedding, &s.duration, s.duration.attrs)
			add(&embedded, &s.input, base)
			continue
		}
		add(&duration, &s.duration, s.duration.attrs)
		add(&firstChunk, &s.firstChunk, base)
		add(&perChunk, &s.perChunk, base)
		add(&input, &s.input, base)
		add(&output, &s.output, base)
		cacheRead.add(base, p.count(&s.parts.cacheRead))
		cacheWrite.add(base, p.count(&s.parts.cacheWrite))
		reasoning.add(base, p.count(&s.parts.reasoning))
	}
	for _, d := range input.list {
		usedInput.add(d.Attributes, int64(d.Sum))
	}
	for _, d := range output.list {
		usedOutput.add(d.Attributes, int64(d.Sum))
	}
	var out []metricdata.Metrics
	distribution := func(name, unit, description string, of *pointList) {
		out = append(out, p.metric(name, unit, description, *of)...)
	}
	counter := func(name, description string, of *counterList) {
		out = append(out, p.counter(name, description, *of, now)...)
	}
	distribution("gen_ai.client.inference.duration", "s", "GenAI client inference operation duration.", &duration)
	distribution("gen_ai.client.inference.time_to_first_chunk", "s",
		"Time to receive the first chunk, measured from the upstream request.", &firstChunk)
	distribution("gen_ai.client.inference.time_per_output_chunk", "s",
		"Mean time between two chunks of one streamed response.", &perChunk)
	distribution("gen_ai.client.inference.operation.input_tokens", "{token}", "Input tokens of one operation.", &input)
	distribution("gen_ai.client.inference.operation.output_tokens", "{token}", "Output tokens of one operation.", &output)
	distribution("gen_ai.client.embeddings.duration", "s", "GenAI client embeddings operation duration.", &embedding)
	distribution("gen_ai.client.embeddings.operation.input_tokens", "{token}", "Input tokens of one operation.", &embedded)
	counter("gen_ai.client.inference.usage.input_tokens", "Input tokens used, including cached tokens.", &usedInput)
	counter("gen_ai.client.inference.usage.output_tokens", "Output tokens used, including reasoning tokens.", &usedOutput)
	counter("gen_ai.client.inference.usage.cache_read.input_tokens", "Input tokens read from a provider's cache.", &cacheRead)
	counter("gen_ai.client.inference.usage.cache_write.input_tokens", "Input tokens written to a provider's cache.", &cacheWrite)
	counter("gen_ai.client.inference.usage.reasoning.output_tokens", "Output tokens used for reasoning.", &reasoning)
	return out
}

// count is what n counted since the start, or since the collection before.
func (p *producer) count(n *atomic.Int64) int64 {
	c := n.Load()
	if !p.delta {
		return c
	}
	before := p.lastParts[n]
	p.lastParts[n] = c
	return c - before
}

// counterList is the points of one counter, one for each set of attributes.
type counterList struct {
	list []metricdata.DataPoint[int64]
	at   map[attribute.Distinct]int
}

// add counts n tokens; none make no point.
func (c *counterList) add(attrs attribute.Set, n int64) {
	if n == 0 {
		return
	}
	key := attrs.Equivalent()
	i, ok := c.at[key]
	if !ok {
		if c.at == nil {
			c.at = map[attribute.Distinct]int{}
		}
		i = len(c.list)
		c.at[key] = i
		// What the tokens were, text or image, is not known here.
		with := append(attrs.ToSlice(), attribute.String("gen_ai.token.modality", "unknown"))
		c.list = append(c.list, metricdata.DataPoint[int64]{Attributes: attribute.NewSet(with...)})
	}
	c.list[i].Value += n
}

// counter is no metric when there is no point.
func (p *producer) counter(name, description string, of counterList, now time.Time) []metricdata.Metrics {
	if len(of.list) == 0 {
		return nil
	}
	for i := range of.list {
		of.list[i].StartTime, of.list[i].Time = p.start, now
	}
	return []metricdata.Metrics{{
		Name: name, Unit: "{token}", Description: description,
		Data: metricdata.Sum[int64]{Temporality: p.temporality(), IsMonotonic: true, DataPoints: of.list},
	}}
}
