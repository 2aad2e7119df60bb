package gemini_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
)

// TestRewriteExchanges puts a mark into every text of every recorded response, framed as it came and as an array, and reads
// it back.
func TestRewriteExchanges(t *testing.T) {
	marked := 0
	for _, x := range recordings(t) {
		bodies := map[string][]byte{x.Response.Headers["content-type"]: x.Response.Body}
		if x.Stream {
			bodies[json] = asArray(t, x.Response.Body)
		}
		for ct, body := range bodies {
			var same, edited []byte
			var want strings.Builder
			for _, ev := range read(t, apiOf(x), head(x.Response.Status, ct), llm.WantParts, string(body)) {
				same = rewrite(t, same, &ev)
				for i := range ev.Parts {
					if p := &ev.Parts[i]; p.Kind == llm.PartText || p.Kind == llm.PartReasoning && p.Signature == "" {
						p.Text += "<mark> \"\\\n"
						marked++
					}
				}
				want.WriteString(texts(ev.Parts))
				edited = rewrite(t, edited, &ev)
			}
			if !bytes.Equal(same, body) {
				t.Errorf("%s: a rewrite that changes nothing changes the body", x.ID)
			}
			got := ""
			for _, ev := range read(t, apiOf(x), head(x.Response.Status, ct), llm.WantParts, string(edited)) {
				got += texts(ev.Parts)
			}
			if d := cmp.Diff(want.String(), got); d != "" {
				t.Errorf("%s: %s", x.ID, d)
			}
		}
	}
	if marked == 0 {
		t.Error("nothing was marked")
	}
}

func texts(parts []llm.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text + "|")
	}
	return b.String()
}

func rewrite(t testing.TB, dst []byte, ev *llm.Event) []byte {
	t.Helper()
	out, err := gemini.Dialect{}.Rewrite(dst, nil, ev)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRewrite(t *testing.T) {
	text := func(s ...string) (parts []llm.Part) {
		for _, s := range s {
			parts = append(parts, llm.Part{Text: s})
		}
		return parts
	}
	for _, tt := range []struct {
		name, raw string
		parts     []llm.Part
		want      string // "" = an error
	}{
		{"event", ": hi\nid: 1\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]}}],\"x\": 1}\n\n", text("é", ""),
			": hi\nid: 1\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"é\"},{\"text\":\"\"}]}}],\"x\": 1}\n\n"},
		{"several data lines", "data: {\"candidates\":[{\"content\":\ndata: {\"parts\":[{\"text\":\"a\"}]}}]}\n\n", text("b"),
			"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}\r\n\r\n"},
		{"element", ",\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", text("b"),
			",\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}"},
		{"bracket", "\r\n]", nil, "\r\n]"},
		{"comment", ": hi\n\n", nil, ": hi\n\n"},
		{"arguments", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"k":"a"}}}]}}]}`, text(`{"k":"b"}`),
			`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"k":"b"}}}]}}]}`},
		{"broken arguments", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"k":"a"}}}]}}]}`, text(`{"k":`), ""},
		{"no arguments", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}`, text(`{}`), ""},
		{"a part too few", `{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`, nil, ""},
		{"a part too many", `{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`, text("a", "b"), ""},
		{"no JSON", "data: {\n\n", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := gemini.Dialect{}.Rewrite([]byte("> "), nil, &llm.Event{Raw: []byte(tt.raw), Parts: tt.parts, Edited: true})
			if tt.want == "" {
				if err == nil || string(got) != "> " {
					t.Errorf("got %q, %v, want an error and nothing appended", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("> "+tt.want, string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestErrorBodies(t *testing.T) {
	d := gemini.Dialect{}
	for _, tt := range []struct {
		e    llm.Error
		want string
	}{
		{llm.Error{Status: 400, Message: "a \"b\""}, `{"error":{"code":400,"message":"a \"b\"","status":"INVALID_ARGUMENT"}}`},
		{llm.Error{Status: 401}, `{"error":{"code":401,"message":"","status":"UNAUTHENTICATED"}}`},
		{llm.Error{Status: 403}, `{"error":{"code":403,"message":"","status":"PERMISSION_DENIED"}}`},
		{llm.Error{Status: 404}, `{"error":{"code":404,"message":"","status":"NOT_FOUND"}}`},
		{llm.Error{Status: 413}, `{"error":{"code":413,"message":"","status":"INVALID_ARGUMENT"}}`},
		{llm.Error{Status: 429}, `{"error":{"code":429,"message":"","status":"RESOURCE_EXHAUSTED"}}`},
		{llm.Error{Status: 500}, `{"error":{"code":500,"message":"","status":"INTERNAL"}}`},
		{llm.Error{Status: 501}, `{"error":{"code":501,"message":"","status":"UNIMPLEMENTED"}}`},
		{llm.Error{Status: 502}, `{"error":{"code":502,"message":"","status":"UNAVAILABLE"}}`},
		{llm.Error{Status: 503}, `{"error":{"code":503,"message":"","status":"UNAVAILABLE"}}`},
		{llm.Error{Status: 504}, `{"error":{"code":504,"message":"","status":"DEADLINE_EXCEEDED"}}`},
		{llm.Error{Status: 529}, `{"error":{"code":529,"message":"","status":"UNAVAILABLE"}}`},
		{llm.Error{Type: "RESOURCE_EXHAUSTED"}, `{"error":{"code":429,"message":"","status":"RESOURCE_EXHAUSTED"}}`},
		{llm.Error{Type: "server_error"}, `{"error":{"code":500,"message":"","status":"INTERNAL"}}`},
	} {
		if got := string(d.Error(&tt.e)); got != tt.want {
			t.Errorf("Error(%+v)\n got %s\nwant %s", tt.e, got, tt.want)
		}
	}
	e := &llm.Error{Status: 503, Message: "m"}
	const body = `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`
	if got, want := string(d.StreamError(&llm.Request{Stream: true}, e)), "data: "+body+"\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(d.StreamError(&llm.Request{Stream: true, StreamArray: true}, e)), ",\r\n"+body+"]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
