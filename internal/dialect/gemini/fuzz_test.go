package gemini_test

import (
	"bytes"
	"testing"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func FuzzParseRequest(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	f.Add([]byte(`{"contents":{"parts":{"text":"a"}},"generation_config":{"response_modalities":[2]}}`))
	f.Add([]byte(`{"requests":[{"content":{"parts":[{"functionResponse":{"response":["a",{"b":"c"}]}}]}}],"contents":[[],1]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, api := range []llm.API{llm.GeminiGenerate, llm.GeminiEmbed} {
			exchange.RequestLaws(t, gemini.Dialect{}, api, body)
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Response.Body) < 4<<10 {
			f.Add(x.Response.Body, x.Stream, uint8(7))
		}
	}
	f.Add([]byte("[{\"candidates\":[{\"index\":-1,\"content\":{\"parts\":{\"text\":\"a\"}}}]}\r\n,{\"error\":\"x\"}]"), false, uint8(1))
	f.Add([]byte("data: {\"candidates\":[{}]}\r\r: c\r\ndata:[]\n\n"), true, uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, sse bool, step uint8) {
		ct := json
		if sse {
			ct = events
		}
		newReader := func() llm.Reader {
			return gemini.Dialect{}.NewReader(llm.GeminiGenerate, head(200, ct), llm.WantParts)
		}
		exchange.ReaderLaws(t, newReader, body, int(step)+1, func(ev *llm.Event) {
			out, err := gemini.Dialect{}.Rewrite(nil, nil, ev)
			// A message on several data lines is written anew.
			if err == nil && !bytes.Equal(out, ev.Raw) && bytes.Count(ev.Raw, []byte("data:")) < 2 {
				t.Errorf("a rewrite that changes nothing makes %q of %q", out, ev.Raw)
			}
		})
	})
}
