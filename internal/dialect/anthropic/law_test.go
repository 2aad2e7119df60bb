package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// expressible is a request all of whose members have a neutral form, in the shape that BuildRequest gives them.
const expressible = `{"model":"m","max_tokens":5000,"stream":true,"temperature":0.5,"top_p":0.9,"top_k":40,"stop_sequences":["END"],
  "metadata":{"user_id":"u"},"service_tier":"standard_only","thinking":{"type":"enabled","budget_tokens":2000,"display":"summarized"},
  "output_config":{"effort":"xhigh","format":{"type":"json_schema","schema":{"type":"object","x":1.50}}},
  "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
  "tools":[{"name":"f","description":"F","input_schema":{"type":"object"},"strict":false,"cache_control":{"type":"ephemeral","ttl":"1h"}}],
  "tool_choice":{"type":"any","disable_parallel_tool_use":true},
  "messages":[
    {"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"5m"}},
      {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},
      {"type":"image","source":{"type":"url","url":"https://x/y"}},
      {"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"é"}},
      {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"aGk="},"cache_control":{"type":"ephemeral"}},
      {"type":"document","source":{"type":"url","url":"https://x/y"}}]},
    {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},
      {"type":"thinking","thinking":"","signature":"t"},{"type":"text","text":"b"},
      {"type":"tool_use","id":"1","name":"f","input":{"n":1e2}},{"type":"tool_use","id":"2","name":"f","input":{},"cache_control":{"type":"ephemeral"}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"2","is_error":true,"content":[{"type":"text","text":"r"}]},
      {"type":"tool_result","tool_use_id":"1","cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"q"},
        {"type":"image","source":{"type":"url","url":"https://x/y"},"cache_control":{"type":"ephemeral"}}]},
      {"type":"image","source":{"type":"url","url":"https://x/z"}}]}]}`

// Reading a request into the neutral model and writing it again is the identity, where the model holds all that it says.
func TestBuildIdentity(t *testing.T) {
	_, got, err := d.BuildRequest(parse(t, llm.AnthropicMessages, expressible), "m", new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, []byte(expressible)), decoded(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBuildIdentityExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages") {
		once := rebuilt(t, x.Request.Body, &llm.Loss{Allow: true})
		if twice := rebuilt(t, once, new(llm.Loss)); !bytes.Equal(once, twice) {
			t.Errorf("%s: %s\nbecame %s", x.ID, once, twice)
		}
	}
}

// rebuilt is what BuildRequest makes of body, nil when nothing.
func rebuilt(t *testing.T, body []byte, loss *llm.Loss) []byte {
	t.Helper()
	r, err := d.ParseRequest(llm.AnthropicMessages, &llm.Head{}, body)
	if err != nil {
		return nil
	}
	_, out, err := d.BuildRequest(r, "m", loss)
	if err != nil && !errors.As(err, new(*llm.Error)) {
		t.Fatalf("not an error for the client: %v", err)
	}
	return out
}

func FuzzBuildIdentity(f *testing.F) {
	f.Add([]byte(expressible))
	f.Add([]byte(everything))
	f.Add([]byte(`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a b"},{"type":"tool_use"}]},
		{"content":[{"type":"tool_result","content":[{"type":"text","text":""},{"type":"text","text":"\u0000"}]}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		once := rebuilt(t, body, &llm.Loss{Allow: true})
		if once == nil {
			return
		}
		// The texts of one result become one.
		twice := rebuilt(t, once, new(llm.Loss))
		if again := rebuilt(t, twice, new(llm.Loss)); twice == nil || !bytes.Equal(twice, again) {
			t.Errorf("%s\nbecame %s\nand %s", once, twice, again)
		}
	})
}

// What the provider answers, written for a client of another provider's answers and read again, is what it was.
func TestWriteIdentityExchanges(t *testing.T) {
	for _, x := range exchange.Load(t, "anthropic.messages") {
		if x.Response.Status != 200 || x.Expected["error"] != nil {
			continue
		}
		identical(t, x.Response.Body, x.Stream)
	}
}

func identical(t *testing.T, body []byte, stream bool) {
	t.Helper()
	ct := "application/json"
	if stream {
		ct = "text/event-stream"
	}
	var loss llm.Loss
	w, err := d.NewWriter(request(stream), &loss)
	if err != nil {
		t.Fatal(err)
	}
	var wire []byte
	var want llm.Result
	if err := d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantParts).Read(body, true, func(ev *llm.Event) error {
		want.Add(ev)
		want.Content(ev)
		wire, err = w.Write(wire, ev)
		return err
	}); err != nil {
		return // more blocks than a response may have
	}
	if wire, err = w.Close(wire, nil); err != nil {
		t.Fatal(err)
	}
	if len(loss.Dropped) > 0 || want.Err != nil || !want.Last || want.ID == "" || want.Model == "" {
		return
	}
	got := exchange.Read(t, d.NewReader(llm.AnthropicMessages, head(200, ct), llm.WantParts), [][]byte{wire})
	if got.ID != want.ID || got.Model != want.Model || !slices.Equal(got.FinishReasons(), want.FinishReasons()) {
		t.Errorf("got %q %q %v, want %q %q %v", got.ID, got.Model, got.FinishReasons(), want.ID, want.Model, want.FinishReasons())
	}
	if want.Usage.Output.Set && want.Usage.Input.Set && got.Usage != want.Usage {
		t.Errorf("got %v, want %v", got.Usage, want.Usage)
	}
	if diff := cmp.Diff(spoken(&want), spoken(got)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, wire)
	}
}

// spoken is the parts of a response that say something, numbered anew.
func spoken(r *llm.Result) []llm.Part {
	var out []llm.Part
	for _, m := range r.Messages() {
		for _, p := range m.Parts {
			if p.Kind == llm.PartToolCall {
				var b bytes.Buffer
				if err := json.Compact(&b, []byte(p.Text)); err == nil {
					p.Text = b.String()
				}
			} else if p.Text == "" && p.Signature == "" && p.Data == "" {
				continue
			}
			p.Index = len(out)
			out = append(out, p)
		}
	}
	return out
}
