package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Bounds of what metrics tell apart.
const (
	maxSeries      = 800 // further models are _other
	maxOtherSeries = 100 // further servers, providers and errors are _other as well
	maxRoutes      = 1000
	maxModelName   = 128 // bytes; a longer name is _other
	otherName      = "_other"
)

// seriesKey is one combination of attributes of a call.
type seriesKey struct {
	operation, provider, requestModel, responseModel, server, errorType string
	port                                                                int64
}

// series is what is counted for one combination. Only the duration tells errors apart (semantic conventions, GenAI metrics).
type series struct {
	duration, firstChunk, perChunk, input, output histogram
	parts                                         tokenCounters
}

// seriesTable finds series without a lock; a new one copies the table.
type seriesTable struct {
	table cowMap[seriesKey, *series]
}

func (t *seriesTable) get(k seriesKey) *series {
	if len(k.requestModel) > maxModelName {
		k.requestModel = otherName
	}
	if len(k.responseModel) > maxModelName {
		k.responseModel = otherName
	}
	if s, ok := t.table.get(k, maxSeries, newSeries); ok {
		return s
	}
	k.requestModel, k.responseModel = other(k.requestModel), other(k.responseModel)
	if s, ok := t.table.get(k, maxSeries+maxOtherSeries, newSeries); ok {
		return s
	}
	k.provider, k.server, k.port, k.errorType = otherName, "", 0, other(k.errorType)
	s, _ := t.table.get(k, noLimit, newSeries)
	return s
}

// other replaces a value that is there.
func other(s string) string {
	if s == "" {
		return ""
	}
	return otherName
}

func newSeries(k seriesKey) (seriesKey, *series) {
	// The key outlives the call: its strings must not hold on to the call's bodies.
	k = seriesKey{
		operation: strings.Clone(k.operation), provider: strings.Clone(k.provider),
		requestModel: strings.Clone(k.requestModel), responseModel: strings.Clone(k.responseModel),
		server: strings.Clone(k.server), errorType: strings.Clone(k.errorType), port: k.port,
	}
	var kv []attribute.KeyValue
	text := func(key Key, v string) {
		if v != "" {
			kv = append(kv, attribute.String(names[key], validText(v)))
		}
	}
	text(GenAIOperationName, k.operation)
	text(GenAIProviderName, k.provider)
	text(GenAIRequestModel, k.requestModel)
	text(GenAIResponseModel, k.responseModel)
	text(ServerAddress, k.server)
	if k.port != 0 {
		kv = append(kv, attribute.Int64(names[ServerPort], k.port))
	}
	base := attribute.NewSet(kv...)
	with := func(more attribute.KeyValue) attribute.Set {
		return attribute.NewSet(append(append([]attribute.KeyValue(nil), kv...), more)...)
	}
	s := &series{
		duration:   newHistogram(base, durationBuckets),
		firstChunk: newHistogram(base, durationBuckets),
		perChunk:   newHistogram(base, durationBuckets),
		input:      newHistogram(with(attribute.String("gen_ai.token.type", "input")), tokenBuckets),
		output:     newHistogram(with(attribute.String("gen_ai.token.type", "output")), tokenBuckets),
	}
	if k.errorType != "" {
		s.duration.attrs = with(attribute.String(names[ErrorType], validText(k.errorType)))
	}
	return k, s
}

// routeTable is the overhead by route.
type routeTable struct {
	table cowMap[string, *histogram]
}

func (t *routeTable) get(route string) *histogram {
	h, ok := t.table.get(route, maxRoutes, newRoute)
	if !ok {
		h, _ = t.table.get(otherName, noLimit, newRoute)
	}
	return h
}

func newRoute(route string) (string, *histogram) {
	route = strings.Clone(route)
	var kv []attribute.KeyValue
	if route != "" {
		kv = append(kv, attribute.String(names[SpanwayRoute], validText(route)))
	}
	h := newHistogram(attribute.NewSet(kv...), overheadBuckets)
	return route, &h
}
