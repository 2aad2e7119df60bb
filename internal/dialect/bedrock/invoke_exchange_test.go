package bedrock_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func TestInvokeExchanges(t *testing.T) {
	all := exchange.Load(t, "bedrock.invoke", "bedrock.invoke_stream")
	exchange.Conform(t, all, d, d, func(x *exchange.Exchange) llm.API {
		api, ok := d.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != llm.BedrockInvoke {
			t.Fatalf("%s %s is taken for %q", x.Request.Method, x.Request.Path, api)
		}
		return api
	})
}

// modelChunk is the message of a stream that holds a chunk of a model's.
func modelChunk(payload string) []byte {
	return event("chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(payload))+`","p":"abc"}`)
}

func FuzzInvokeRequest(f *testing.F) {
	for _, x := range exchange.Load(f, "bedrock.invoke", "bedrock.invoke_stream") {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	for _, c := range invokeBodies {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		exchange.RequestLaws(t, d, llm.BedrockInvoke, body)
	})
}

func FuzzInvokeReader(f *testing.F) {
	for _, x := range exchange.Load(f, "bedrock.invoke", "bedrock.invoke_stream") {
		if len(x.Response.Body) < 6<<10 {
			f.Add(x.Response.Body, x.Stream, uint8(7))
		}
	}
	for _, c := range invokeAnswers {
		if c.stream {
			var all []byte
			for _, b := range c.bodies {
				all = append(all, modelChunk(b)...)
			}
			f.Add(all, true, uint8(5))
		} else {
			f.Add([]byte(c.bodies[0]), false, uint8(5))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, stream bool, step uint8) {
		ct := jsonType
		if stream {
			ct = eventStream
		}
		newReader := func() llm.Reader { return d.NewReader(llm.BedrockInvoke, head(200, ct), llm.WantParts) }
		exchange.ReaderLaws(t, newReader, body, int(step)+1, func(ev *llm.Event) {
			r := llm.NewRequest(llm.BedrockInvoke, llm.Bedrock, llm.OpChat, nil, nil)
			if out, err := d.Rewrite(nil, r, ev); err != nil || !bytes.Equal(out, ev.Raw) {
				t.Errorf("a rewrite that changes nothing makes %q of %q: %v", out, ev.Raw, err)
			}
		})
	})
}
