// Package telemetry records calls as OpenTelemetry GenAI traces and metrics, and exports them.
//
// A [Pipeline] lives as long as its configuration. For each call a data plane takes a [Trace] from [Pipeline.Start], adds spans
// and attributes while the call runs, sends trace context upstream with [Pipeline.Inject], and hands the record back, once,
// with [Pipeline.Finish]. Everything that leaves the process is derived there from the finished record: metrics, the console's
// line, and OTLP for every sink.
//
//	t := p.Start(r.Header)
//	root := t.StartSpan("POST /v1/chat/completions", telemetry.KindServer, telemetry.NoSpan, time.Now())
//	chat := t.StartSpan("chat gpt-4o", telemetry.KindClient, root, time.Now())
//	t.Span(chat).SetRequest(req)
//	…
//	t.EndSpan(chat, time.Now())
//	p.Finish(t)
//
// No SDK span is made: a record is appended to an OTLP buffer as it is. The OpenTelemetry SDK samples by ratio, propagates the
// less common formats, and aggregates metrics.
package telemetry
