package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

var apis = []llm.API{llm.OpenAIChat, llm.OpenAICompletions, llm.OpenAIResponses, llm.OpenAIEmbeddings, llm.OpenAIImages}

var requestSeeds = []string{
	`{"model":"m","messages":[{"role":"user","content":"a\u00e9"}],"stop":["x"],"stream":true,"stream_options":{"include_usage":true}}`,
	`{"messages":[{"role":"tool","content":[{"type":"text","text":"a"}],"tool_call_id":"c"}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
	`{"model":"m","input":[{"type":"function_call_output","output":"x"}],"instructions":"i","conversation":{"id":"c"},"prompt":{"variables":{"a":"b"}}}`,
	`{"prompt":["a",[1]],"suffix":"s","n":2}`, `{"input":"a","dimensions":3}`, `{`, `[]`, ``, `{"model":"\ud800"}`,
}

// FuzzParseRequest: a body is taken just when it is a JSON object, the model stands where it is said to stand, and edits that
// change nothing leave the JSON as it was.
func FuzzParseRequest(f *testing.F) {
	for i, s := range requestSeeds {
		f.Add(i%len(apis), []byte(s))
	}
	f.Fuzz(func(t *testing.T, n int, body []byte) {
		api := apis[uint(n)%uint(len(apis))]
		r, err := Dialect{}.ParseRequest(api, &llm.Head{Method: http.MethodPost, Path: "/openai/deployments/d/x"}, body)
		object := json.Valid(body) && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
		var e *llm.Error
		if err != nil {
			if !errors.As(err, &e) || e.Status != 400 {
				t.Fatalf("not an error for the client: %v", err)
			}
			if object && !bytes.Contains([]byte(e.Message), []byte("nested")) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if !object {
			t.Fatal("taken, and no JSON object")
		}
		if r.ModelAt != [2]int{} {
			var m string
			if err := json.Unmarshal(body[r.ModelAt[0]:r.ModelAt[1]], &m); err != nil {
				t.Fatalf("the model is not at %v: %v", r.ModelAt, err)
			}
		}
		if _, err := r.Conversation(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (Dialect{}).BuildRequest(r, "m", new(llm.Loss)); err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		edited(t, r, body)
	})
}

func edited(t *testing.T, r *llm.Request, body []byte) {
	t.Helper()
	_, codec := operation(r.API)
	same, err := codec.EditText(body, func(_ llm.Role, s string) (string, bool) { return s, false })
	if err != nil || !bytes.Equal(same, body) {
		t.Fatalf("an edit of nothing changed the body: %v", err)
	}
	spliced, err := codec.EditText(body, func(_ llm.Role, s string) (string, bool) { return s, true })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(decoded(t, body), decoded(t, spliced)); d != "" {
		t.Fatal(d)
	}
}

var responseSeeds = []string{
	`data: {"id":"i","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n" +
		`data: {"id":"i","model":"m","choices":[{"index":0,"delta":{"content":"a"}}],"obfuscation":"xx"}` + "\n\n" +
		`data: {"id":"i","model":"m","choices":[{"index":0,"delta":{"content":"b"}}],"obfuscation":"y"}` + "\n\n" +
		`data: {"id":"i","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}` + "\n\ndata: [DONE]\n\n",
	"event: error\r\ndata: {\"error\":{\"message\":\"m\",\r\ndata: \"code\":1}}\r\n\r\n: c\r\n\r\n",
	`{"id":"i","choices":[{"message":{"content":[{"type":"text","text":"a"}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}],"usage":{"completion_tokens":2}}`,
	"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"delta\":\"a\"}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}]}}\n\n",
	`{"data":[{"embedding":[1,2]}],"usage":{"total_tokens":1}}`, `{"error":"x"}`, ``, `{`,
}

// FuzzReader: the cut of a body into reads changes nothing, events concatenate to the body, frames that resemble each other
// read like those that do not, and rewriting a frame with its own texts leaves it as it was.
func FuzzReader(f *testing.F) {
	for i, s := range responseSeeds {
		f.Add(i, 200+200*(i&1), uint8(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, n, status int, cut uint8, body []byte) {
		api, ct := apis[uint(n)%uint(len(apis))], "text/event-stream"
		if bytes.HasPrefix(body, []byte("{")) {
			ct = "application/json"
		}
		for _, want := range []llm.Want{llm.WantMeta, llm.WantParts} {
			whole := events(t, api, status, ct, body, want)
			r := Dialect{}.NewReader(api, &llm.Head{Status: status, Header: http.Header{"Content-Type": {ct}}}, want)
			var pieces []llm.Event
			step := 1 + int(cut)%16
			for i := 0; i < len(body) || i == 0; i += step {
				end := min(i+step, len(body))
				err := r.Read(bytes.Clone(body[i:end]), end == len(body), func(ev *llm.Event) error {
					pieces = append(pieces, clone(ev))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(whole, pieces) {
				t.Fatalf("in pieces of %d bytes: %s", step, cmp.Diff(whole, pieces))
			}
			var raw, again []byte
			for i := range whole {
				raw = append(raw, whole[i].Raw...)
				if want == llm.WantParts && status < 400 {
					again = rewrite(t, again, api, &whole[i])
				}
			}
			if !bytes.Equal(raw, body) {
				t.Fatalf("events make %q of %q", raw, body)
			}
			if again != nil && !bytes.Equal(again, body) {
				t.Fatalf("rewriting makes %q of %q", again, body)
			}
			bom := bytes.Contains(body, []byte("\ufeff")) // a frame that begins with it reads otherwise by itself
			if ct == "text/event-stream" && !bom && api != llm.OpenAIResponses && status < 400 {
				samePerFrame(t, api, body, want)
			}
		}
	})
}

// eventsOf makes a response of the kind that any provider could send of data: what its parts are, where they stand, and how
// they are cut.
func eventsOf(data []byte) []llm.Event {
	kinds := []llm.PartKind{llm.PartText, llm.PartReasoning, llm.PartRefusal, llm.PartToolCall, llm.PartServerTool, llm.PartOther}
	finishes := []string{"", "", "", "end_turn", "MAX_TOKENS", "tool_use", "SAFETY"}
	evs := []llm.Event{{ID: "r", Model: "m"}}
	for len(data) >= 4 {
		n := min(int(data[3])%8, len(data)-4)
		p := llm.Part{Kind: kinds[int(data[0])%len(kinds)], Index: int(data[1]) % 4, Choice: int(data[1]) / 128, Text: strings.ToValidUTF8(string(data[4:4+n]), "?")}
		switch {
		case p.Kind == llm.PartToolCall:
			p.ID, p.Name = "id", "f"
		case p.Kind == llm.PartReasoning && data[2]%3 == 1:
			p.Signature = "s"
		case p.Kind == llm.PartReasoning && data[2]%3 == 2:
			p.Data = "d"
		case p.Kind == llm.PartText && data[2]%2 == 1:
			p.Logprobs = []llm.Logprob{{Token: p.Text, Logprob: -1}}
		}
		ev := llm.Event{Parts: []llm.Part{p}}
		if f := finishes[int(data[2])%len(finishes)]; f != "" {
			ev.Choices = []llm.Choice{{Index: p.Choice, Finish: f}}
		}
		evs, data = append(evs, ev), data[4+n:]
	}
	return append(evs, llm.Event{Last: true})
}

// FuzzWriter: whatever a provider says, streamed or not, reads as the texts and the calls that it said.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x03abc\x01\x01\x01\x02hm\x03\x02\x00\x04{}xx\x03\x03\x00\x00\x02\x00\x03\x01n"), true)
	f.Add([]byte("\x00\x80\x00\x01a\x00\x00\x00\x01b\x01\x00\x02\x01c"), false)
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		evs := eventsOf(data)
		for _, api := range []llm.API{llm.OpenAIChat, llm.OpenAIResponses} {
			r := llm.NewRequest(api, llm.OpenAI, llm.OpChat, []byte(`{}`), nil)
			r.Stream = stream
			w, err := Dialect{}.NewWriter(r, new(llm.Loss))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			for i := range evs {
				if out, err = w.Write(out, &evs[i]); err != nil {
					t.Fatal(err)
				}
			}
			if out, err = w.Close(out, nil); err != nil {
				t.Fatal(err)
			}
			ct := "application/json"
			if stream {
				ct = "text/event-stream"
			}
			back := events(t, api, 200, ct, out, llm.WantParts)
			if !back[len(back)-1].Last {
				t.Fatalf("%s does not end: %s", api, out)
			}
			for _, kind := range []llm.PartKind{llm.PartText, llm.PartReasoning, llm.PartRefusal} {
				want, got := spoken(evs, kind), spoken(back, kind)
				if kind == llm.PartReasoning && !stream && api == llm.OpenAIChat {
					want = inBlocks(evs)
				}
				if want != got {
					t.Fatalf("%s, kind %d: %q became %q in %s", api, kind, want, got, out)
				}
			}
		}
	})
}

// spoken is the new text of one kind in the first choice.
func spoken(evs []llm.Event, kind llm.PartKind) string {
	var b strings.Builder
	for i := range evs {
		for _, p := range evs[i].Parts {
			if p.Kind == kind && p.Choice == 0 && !p.Repeat {
				b.WriteString(p.Text)
			}
		}
	}
	return b.String()
}

// inBlocks is the reasoning of the first choice as a whole message has it: block by block, each of which may be signed, also
// where the pieces of several blocks come mixed.
func inBlocks(evs []llm.Event) string {
	type block struct {
		index  int
		closed bool
		text   string
	}
	var blocks []block
	for i := range evs {
		for _, p := range evs[i].Parts {
			if p.Kind != llm.PartReasoning || p.Choice != 0 || p.Text+p.Signature+p.Data == "" {
				continue
			}
			n := slices.IndexFunc(blocks, func(b block) bool { return b.index == p.Index && !b.closed })
			if n < 0 {
				n = len(blocks)
				blocks = append(blocks, block{index: p.Index})
			}
			blocks[n].text += p.Text
			blocks[n].closed = p.Signature+p.Data != ""
		}
	}
	var out strings.Builder
	for _, b := range blocks {
		out.WriteString(b.text)
	}
	return out.String()
}
