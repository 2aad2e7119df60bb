package ollama_test

import (
	"bytes"
	"testing"

	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func FuzzParseRequest(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	f.Add([]byte(`{"messages":[{"role":"tool","content":"a","tool_calls":[{"function":{}}],"images":["a"]},[]],"input":["b",[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, api := range []llm.API{llm.OllamaChat, llm.OllamaGenerate, llm.OllamaEmbed} {
			exchange.RequestLaws(t, ollama.Dialect{}, api, body)
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Response.Body) < 4<<10 {
			f.Add(x.Response.Body, x.Stream, uint8(7))
		}
	}
	f.Add([]byte("{\"message\":{\"tool_calls\":[{},1]},\"done\":1}\r\n\n{\"error\":{}}"), true, uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, stream bool, step uint8) {
		ct := json
		if stream {
			ct = lines
		}
		newReader := func() llm.Reader {
			return ollama.Dialect{}.NewReader(llm.OllamaChat, head(200, ct), llm.WantParts)
		}
		exchange.ReaderLaws(t, newReader, body, int(step)+1, func(ev *llm.Event) {
			if !bytes.Equal(rewrite(t, nil, ev), ev.Raw) {
				t.Errorf("a rewrite that changes nothing changes %q", ev.Raw)
			}
		})
	})
}
