package cohere_test

import (
	"bytes"
	"testing"

	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

var apis = []llm.API{llm.CohereChat, llm.CohereChatV1, llm.CohereGenerate, llm.CohereEmbed, llm.CohereEmbedV1, llm.CohereRerank}

func FuzzParseRequest(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Request.Body) < 4<<10 {
			f.Add([]byte(x.Request.Body))
		}
	}
	for _, c := range editCases {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, api := range apis {
			exchange.RequestLaws(t, cohere.Dialect{}, api, body)
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, x := range recordings(f) {
		if len(x.Response.Body) < 4<<10 {
			f.Add(x.Response.Body, uint8(len(x.Response.Body)%3), uint8(7))
		}
	}
	f.Add([]byte(streamV1), uint8(1), uint8(3))
	f.Add([]byte(streamV2), uint8(2), uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, framing, step uint8) {
		h := head(200, []string{"application/json", "application/stream+json", "text/event-stream"}[framing%3])
		for _, api := range apis {
			newReader := func() llm.Reader { return cohere.Dialect{}.NewReader(api, h, llm.WantParts) }
			exchange.ReaderLaws(t, newReader, body, int(step)+1, func(ev *llm.Event) {
				if got, err := (cohere.Dialect{}).Rewrite(nil, &llm.Request{API: api, Stream: framing%3 > 0}, ev); err != nil || !bytes.Equal(got, ev.Raw) {
					t.Errorf("a rewrite that changes nothing changes %q: %v", ev.Raw, err)
				}
			})
		}
	})
}
