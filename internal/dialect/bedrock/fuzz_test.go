package bedrock_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

var d bedrock.Dialect

func FuzzConverseRequest(f *testing.F) {
	for _, x := range exchange.Load(f, "bedrock.converse", "bedrock.converse_stream") {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	f.Add([]byte(`{"system":[{"cachePoint":{}},{"guardContent":{"text":{"text":"a"}}}],"messages":[{"role":"user","content":[{"toolResult":{"content":[{"json":["a",{"b":"c"}]},{"document":{"source":{"text":"t"}}}]}},{"cachePoint":{"ttl":"1h"}}]},{"content":{}},7]}`))
	f.Add([]byte(`{"toolConfig":{"tools":[{"cachePoint":{}},{"systemTool":{"name":"n"}}],"toolChoice":[]},"outputConfig":{"textFormat":{"structure":{"jsonSchema":{"schema":" {} "}}}},"additionalModelRequestFields":{"thinking":[],"a":{}}}`))
	f.Add([]byte(`{"promptVariables":{"a":{"text":"b"}},"messages":[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"r","signature":"s"}}},{"toolUse":{"input":"{\"a\":\"b\"}"}},{"citationsContent":{"content":[{"text":"c"}],"citations":[{"title":"t","sourceContent":[{"text":"u"}]}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		exchange.RequestLaws(t, d, llm.BedrockConverse, body)
	})
}

func head(status int, contentType string) *llm.Head {
	return &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
}

const (
	jsonType    = "application/json"
	eventStream = "application/vnd.amazon.eventstream"
)

// event is one message of a stream.
func event(name, payload string) []byte {
	h := frame.AppendHeader(nil, ":event-type", name)
	h = frame.AppendHeader(h, ":content-type", jsonType)
	return frame.AppendMessage(nil, frame.AppendHeader(h, ":message-type", "event"), []byte(payload))
}

// exception is one message that tells an error.
func exception(name, payload string) []byte {
	h := frame.AppendHeader(nil, ":exception-type", name)
	return frame.AppendMessage(nil, frame.AppendHeader(h, ":message-type", "exception"), []byte(payload))
}

func FuzzConverseReader(f *testing.F) {
	for _, x := range exchange.Load(f, "bedrock.converse", "bedrock.converse_stream") {
		if len(x.Response.Body) < 4<<10 {
			f.Add(x.Response.Body, x.Stream, uint8(7))
		}
	}
	f.Add(bytes.Join([][]byte{
		event("messageStart", `{"role":"assistant"}`), event("contentBlockStart", `{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"a","name":"b"}}}`),
		event("contentBlockStop", `{"contentBlockIndex":1}`), event("messageStop", `{"stopReason":"tool_use","additionalModelResponseFields":{"stop_sequence":"x"}}`),
		event("metadata", `{"usage":{"inputTokens":1},"trace":{"guardrail":{"modelOutput":["a"],"x":[{"match":"b"}]}}}`), exception("throttlingException", `{"message":"m"}`),
	}, nil), true, uint8(3))
	f.Add([]byte(`{"output":{"message":{"content":[{"toolUse":{"input":7}},{"citationsContent":{"content":[{"text":"a"}]}},{"image":{}},{"reasoningContent":[]}]}},"stopReason":1}`), false, uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, stream bool, step uint8) {
		ct := jsonType
		if stream {
			ct = eventStream
		}
		newReader := func() llm.Reader { return d.NewReader(llm.BedrockConverse, head(200, ct), llm.WantParts) }
		exchange.ReaderLaws(t, newReader, body, int(step)+1, func(ev *llm.Event) {
			if out, err := d.Rewrite(nil, nil, ev); err != nil || !bytes.Equal(out, ev.Raw) {
				t.Errorf("a rewrite that changes nothing makes %q of %q: %v", out, ev.Raw, err)
			}
		})
	})
}
