package gemini_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

func recordings(t testing.TB) []*exchange.Exchange {
	return exchange.Load(t, "gemini.generate_content", "gemini.embeddings")
}

func apiOf(x *exchange.Exchange) llm.API { return x.API }

func TestExchanges(t *testing.T) {
	all := recordings(t)
	for _, x := range all {
		api, ok := gemini.Dialect{}.Accepts(x.Request.Method, x.Request.Path)
		if !ok || api != apiOf(x) {
			t.Errorf("%s: %s %s is accepted as %q, %v", x.ID, x.Request.Method, x.Request.Path, api, ok)
		}
	}
	exchange.Conform(t, all, gemini.Dialect{}, gemini.Dialect{}, apiOf)
}

// TestArrayExchanges frames the recorded event streams as JSON arrays, the way they come without alt=sse.
func TestArrayExchanges(t *testing.T) {
	var streams []*exchange.Exchange
	for _, x := range recordings(t) {
		if !x.Stream || x.Response.Status != http.StatusOK {
			continue
		}
		y := *x
		y.Response.Headers = map[string]string{"content-type": "application/json; charset=UTF-8"}
		y.Response.Body = asArray(t, x.Response.Body)
		y.Request.Query = ""
		streams = append(streams, &y)
	}
	if len(streams) == 0 {
		t.Fatal("no stream among the recordings")
	}
	exchange.Conform(t, streams, gemini.Dialect{}, gemini.Dialect{}, apiOf)
}

// asArray turns an event stream into the array that Google sends: elements between "[", ",\r\n" and "]".
func asArray(t testing.TB, sse []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	err := frame.NewSSE(llm.MaxFrame).Split(sse, true, func(f frame.Frame) error {
		if f.Data == nil {
			return nil
		}
		sep := "\r\n,\r\n"
		if out.Len() == 0 {
			sep = "["
		}
		out.WriteString(sep)
		out.Write(f.Data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("\r\n]")
	return out.Bytes()
}
