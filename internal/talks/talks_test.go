// Package talks has each client's official library talk to each provider through the gateway: system text, an image, two parallel
// calls of tools, their results and a final answer, whole and streamed. It has tests only.
//
// A client is a file client_*_test.go and a row of clients, a provider a row of backends and its answers in testdata.
package talks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/matrix/published"
	"github.com/spanway/spanway/internal/scenario"
)

// What every provider says, and counts.
const (
	weather = `{"location":"Paris","days":2}`
	zone    = `{"zone":"Europe/Paris"}`
	answer  = "It is sunny, and five past two – “enjoy” it! 🌞"
)

var (
	inputs  = [2]int64{82, 131}
	outputs = [2]int64{17, 12}
)

// TestTalks is every client with every provider.
func TestTalks(t *testing.T) {
	up := newUpstream(t)
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	gw := scenario.Start(t, strings.ReplaceAll(config, "UPSTREAM", server.URL))
	for i := range clients {
		for j := range backends {
			c, b := &clients[i], &backends[j]
			if b.clients != nil && !slices.Contains(b.clients, c.api) {
				continue
			}
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, b.name, map[bool]string{false: "whole", true: "streamed"}[stream]), func(t *testing.T) {
					up.play(b)
					w := new(wire)
					turns, err := c.talk(t.Context(), &session{base: gw.URL + "/" + b.route, model: b.model, stream: stream, http: &http.Client{Transport: w}})
					for _, r := range up.received() {
						if r.err != nil {
							t.Errorf("the provider does not understand the request: %v", r.err)
						}
					}
					traces := gw.Traces(t, len(up.received()))
					slices.SortFunc(traces, func(a, b []scenario.Span) int { return a[0].Start.Compare(b[0].Start) })
					if err != nil {
						t.Fatal(err)
					}
					c.told(t, b, turns)
					c.understood(t, b, stream, up.received(), w)
					b.asked(t, c, stream, up.received(), w)
					for n, spans := range traces {
						b.traced(t, c, n, stream, spans)
					}
				})
			}
		}
	}
}

// native reports whether b's answers reach c as they are. Mistral's API and OpenAI's have one path: where the provider is
// Mistral, what comes there is taken for Mistral's, and rid of what Mistral does not know.
func native(c *client, b *backend) bool {
	return c.api == b.api || c.api == llm.OpenAIChat && b.api == llm.MistralChat
}

// told holds what the library says to what the provider said.
func (c *client) told(t *testing.T, b *backend, turns [2]turn) {
	t.Helper()
	for n := range turns {
		want := turn{ID: b.ids[n], Model: b.reported, Finish: c.finishes[n], Input: inputs[n], Output: outputs[n]}
		if n == 0 {
			want.Calls = []call{{b.calls[0], "get_weather", canonical(t, weather)}, {b.calls[1], "get_time", canonical(t, zone)}}
		} else {
			want.Text = answer
		}
		got := turns[n]
		c.made(t, b, n, &want, &got)
		for i := range got.Calls {
			got.Calls[i].Args = canonical(t, got.Calls[i].Args)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("turn %d: what the provider said and the library reads (-want +got):\n%s", n+1, d)
		}
	}
}

// made clears of want and got what the provider does not say, or c's API cannot. What the API demands must be there even so.
func (c *client) made(t *testing.T, b *backend, n int, want, got *turn) {
	t.Helper()
	switch {
	case !c.ids:
		want.ID = ""
	case want.ID == "" && got.ID == "" && c.demands:
		t.Errorf("turn %d: the answer has no id", n+1)
	case want.ID == "":
		got.ID = ""
	}
	switch {
	case !c.models:
		want.Model = ""
	case want.Model == "" && c.demands:
		want.Model = b.model // as asked for
	}
	for i := range min(len(want.Calls), len(got.Calls)) {
		if want.Calls[i].ID != "" {
			continue
		}
		if byName := c.api == llm.GeminiGenerate || c.api == llm.OllamaChat; !byName && (got.Calls[i].ID == "" || i > 0 && got.Calls[i].ID == got.Calls[0].ID) {
			t.Errorf("the calls have the ids %q and %q", got.Calls[0].ID, got.Calls[i].ID)
		}
		want.Calls[i].ID = got.Calls[i].ID
	}
}

// understood holds what the library received to the library's own types.
func (c *client) understood(t *testing.T, b *backend, stream bool, got []received, w *wire) {
	t.Helper()
	if len(w.exchanges) != 2 || len(got) != 2 {
		t.Fatalf("the client made %d requests, the provider received %d", len(w.exchanges), len(got))
	}
	for n, x := range w.exchanges {
		body := x.response.Bytes()
		if native(c, b) && !bytes.HasPrefix(got[n].answer, body) { // a library need not read to the end
			t.Errorf("the provider's answer\n%s\nreaches the client as\n%s", got[n].answer, body)
		}
		pieces := [][]byte{body}
		if stream {
			var err error
			if pieces, err = events(c.api, body); err != nil || len(pieces) == 0 {
				t.Errorf("%d events, %v: %q", len(pieces), err, body)
			}
			if want := streamType(c.api); !strings.HasPrefix(x.contentType, want) {
				t.Errorf("content type %q, want %q", x.contentType, want)
			}
		}
		if native(c, b) {
			continue // the provider's own bytes, which may say more than the library knows
		}
		for _, p := range pieces {
			if err := published.Answer(c.api, stream, p); err != nil {
				t.Errorf("%v\nin %s", err, p)
			}
		}
	}
}

// asked holds what the provider received to what the client said: in form to what the provider publishes, in meaning as its own
// dialect reads it.
func (b *backend) asked(t *testing.T, c *client, stream bool, got []received, w *wire) {
	t.Helper()
	for n, r := range got {
		if c.api == b.api {
			if string(r.request.Raw) != string(w.exchanges[n].request) {
				t.Errorf("the client's request\n%s\nreaches the provider as\n%s", w.exchanges[n].request, r.request.Raw)
			}
		} else if err := published.Request(b.api, r.request.Raw); err != nil {
			t.Errorf("%v\nin %s", err, r.request.Raw)
		}
		if d := cmp.Diff(b.expects(t, n, stream), saidBy(t, r.request)); d != "" {
			t.Errorf("turn %d: what the client said and the provider reads (-want +got):\n%s\nin %s", n+1, d, r.request.Raw)
		}
	}
}

// said is a request in neutral terms.
type said struct {
	API                 llm.API
	Model               string
	Stream, Usage       bool
	Limit               int64
	System, User, Image string
	Tools               []string // name, description, schema
	Calls, Results      []string // name, arguments or result
	Others              []string // what there is beside these
}

func (b *backend) expects(t *testing.T, n int, stream bool) said {
	t.Helper()
	s := said{API: b.api, Model: b.model, Stream: stream, Usage: stream, Limit: limit, System: system, User: question,
		Image: "image/png " + base64.StdEncoding.EncodeToString(png)}
	if b.api == llm.OllamaChat {
		s.Image = strings.TrimPrefix(s.Image, "image/png") // its API has no place for the media type
	}
	for i, o := range offered {
		x, err := json.Marshal(schema(i))
		if err != nil {
			t.Fatal(err)
		}
		s.Tools = append(s.Tools, o.name+": "+o.description+" "+canonical(t, string(x)))
	}
	if n > 0 {
		s.Calls = []string{"get_weather " + canonical(t, weather), "get_time " + canonical(t, zone)}
		s.Results = []string{"get_weather " + canonical(t, sunny), "get_time " + canonical(t, five)}
	}
	return s
}

func saidBy(t *testing.T, r *llm.Request) said {
	t.Helper()
	c, err := r.Conversation()
	if err != nil {
		t.Fatalf("%v: %s", err, r.Raw)
	}
	s := said{API: r.API, Model: r.Model, Stream: r.Stream, Usage: r.Stream && r.StreamUsage, Limit: r.Params.MaxTokens.V}
	for i := range c.Tools {
		s.Tools = append(s.Tools, c.Tools[i].Name+": "+c.Tools[i].Description+" "+canonical(t, string(c.Tools[i].Schema)))
	}
	for _, x := range c.Extra {
		s.Others = append(s.Others, x.Field)
	}
	names := map[string]string{}
	s.add(t, llm.RoleSystem, c.System, names)
	for i := range c.Messages {
		s.add(t, c.Messages[i].Role, c.Messages[i].Parts, names)
	}
	return s
}

// add adds a message. names are those of the calls so far, by id.
func (s *said) add(t *testing.T, role llm.Role, parts []llm.Part, names map[string]string) {
	t.Helper()
	for i := range parts {
		switch p := &parts[i]; {
		case role == llm.RoleSystem && p.Kind == llm.PartText:
			s.System += p.Text
		case role == llm.RoleUser && p.Kind == llm.PartText:
			s.User += p.Text
		case role == llm.RoleUser && p.Kind == llm.PartBlob:
			s.Image += p.MIME + " " + p.Data
		case role == llm.RoleAssistant && p.Kind == llm.PartToolCall:
			names[p.ID] = p.Name
			s.Calls = append(s.Calls, p.Name+" "+canonical(t, p.Text))
		case role == llm.RoleTool && p.Kind == llm.PartToolResult:
			name := names[p.ID]
			if p.ID == "" {
				name = p.Name
			}
			s.Results = append(s.Results, name+" "+canonical(t, p.Text))
		case p.Kind == llm.PartText && p.Text == "": // says nothing
		case p.Kind == llm.PartReasoning && p.Signature == published.NoSignature:
		default:
			s.Others = append(s.Others, fmt.Sprintf("%s %+v", role, *p))
		}
	}
}

// canonical is JSON with its members in order.
func canonical(t *testing.T, s string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Errorf("%v: %q", err, s)
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// traced holds the trace of turn n to what the provider said, in its own words.
func (b *backend) traced(t *testing.T, c *client, n int, stream bool, spans []scenario.Span) {
	t.Helper()
	want := map[string]any{
		"gen_ai.operation.name": c.op, "gen_ai.provider.name": b.system, "gen_ai.request.model": b.model, "gen_ai.response.model": maybe(b.reported),
		"gen_ai.response.id": maybe(b.ids[n]), "gen_ai.response.finish_reasons": []string{b.finishes[n]},
		"gen_ai.usage.input_tokens": inputs[n], "gen_ai.usage.output_tokens": outputs[n], "gen_ai.request.max_tokens": int64(limit),
		"gen_ai.request.stream": nil, "spanway.translation.dropped": nil, "spanway.outcome": "ok", "error.type": nil,
	}
	if stream {
		want["gen_ai.request.stream"] = true
	}
	attempts := 0
	for i := range spans {
		if spans[i].Attrs["spanway.attempt"] != nil {
			attempts++
		}
		if d := spans[i].Attrs["spanway.translation.dropped"]; d != nil {
			t.Errorf("turn %d: %s says that %v was dropped", n+1, spans[i].Name, d)
		}
	}
	s := scenario.Find(spans, "gen_ai.operation.name")
	if s == nil || attempts != 1 {
		t.Fatalf("turn %d: %d attempts in %+v", n+1, attempts, spans)
	}
	got := map[string]any{}
	for k := range want {
		got[k] = s.Attrs[k]
	}
	if d := cmp.Diff(want, got); d != "" || s.Name != c.op+" "+b.model {
		t.Errorf("turn %d: span %q (-want +got):\n%s", n+1, s.Name, d)
	}
}

// maybe is s, nil when that is empty.
func maybe(s string) any {
	if s == "" {
		return nil
	}
	return s
}
