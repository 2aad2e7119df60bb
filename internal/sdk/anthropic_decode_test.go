package sdk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/respjson"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	gocmp "github.com/google/go-cmp/cmp"

	anthropicdialect "github.com/spanway/spanway/internal/dialect/anthropic"
	googledialect "github.com/spanway/spanway/internal/dialect/gemini"
	ollamadialect "github.com/spanway/spanway/internal/dialect/ollama"
	openaidialect "github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/scenario/exchange"
)

// TestAnthropicDecodes writes recorded answers of every dialect for Anthropic's clients, whole and streamed: its library decodes
// all of it, knows every member, and finds what the provider said.
func TestAnthropicDecodes(t *testing.T) {
	for _, x := range exchange.Load(t, "openai.chat", "openai.responses", "gemini.generate_content", "ollama.chat", "anthropic.messages") {
		if x.Response.Status != http.StatusOK || x.Expected["error"] != nil {
			continue
		}
		var out llm.Outbound = openaidialect.Dialect{}
		switch x.API {
		case llm.GeminiGenerate:
			out = googledialect.Dialect{}
		case llm.OllamaChat:
			out = ollamadialect.Dialect{}
		case llm.AnthropicMessages:
			out = anthropicdialect.Dialect{}
		}
		t.Run(fmt.Sprint(x.API, "/", x.ID), func(t *testing.T) {
			var events []*llm.Event
			var want llm.Result
			if err := out.NewReader(x.API, x.Response.Head(), llm.WantParts).Read(x.Response.Body, true, func(ev *llm.Event) error {
				events = append(events, ev.Clone())
				want.Add(ev)
				want.Content(ev)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			streamed := decodeStream(t, writeAnthropic(t, true, events))
			var whole anthropic.Message
			if err := json.Unmarshal(writeAnthropic(t, false, events), &whole); err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(blocksOf(t, &whole), blocksOf(t, &streamed)); d != "" {
				t.Errorf("whole and streamed differ:\n%s", d)
			}
			if d := gocmp.Diff(saidTo(&want), blocksOf(t, &whole)); d != "" {
				t.Errorf("what the provider said and the library reads (-want +got):\n%s", d)
			}
			u := whole.Usage
			if n := u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens; n != want.Usage.Input.V || u.OutputTokens != want.Usage.Output.V {
				t.Errorf("the library counts %d and %d tokens, the provider %v", n, u.OutputTokens, want.Usage)
			}
			if whole.StopReason != streamed.StopReason || whole.Role != "assistant" || whole.ID == "" {
				t.Errorf("whole %+v, streamed %+v", whole, streamed)
			}
		})
	}
}

func writeAnthropic(t *testing.T, stream bool, events []*llm.Event) []byte {
	t.Helper()
	r := llm.NewRequest(llm.AnthropicMessages, llm.Anthropic, llm.OpChat, nil, nil)
	r.Stream = stream
	w, err := anthropicdialect.Dialect{}.NewWriter(r, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, ev := range events {
		if out, err = w.Write(out, ev); err != nil {
			t.Fatal(err)
		}
	}
	if out, err = w.Close(out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func decodeStream(t *testing.T, wire []byte) anthropic.Message {
	t.Helper()
	resp := &http.Response{Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(bytes.NewReader(wire))}
	s := ssestream.NewStream[anthropic.MessageStreamEventUnion](ssestream.NewDecoder(resp), nil)
	defer s.Close()
	var m anthropic.Message
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			t.Fatalf("%v\n%s", err, wire)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatalf("%v\n%s", err, wire)
	}
	return m
}

// blocksOf is what the blocks of m say, one a line. Members that the library does not know are errors.
func blocksOf(t *testing.T, m *anthropic.Message) (out []string) {
	t.Helper()
	known := func(extra map[string]respjson.Field) {
		if len(extra) > 0 {
			t.Errorf("members that the library does not know: %v", extra)
		}
	}
	known(m.JSON.ExtraFields)
	known(m.Usage.JSON.ExtraFields)
	for i := range m.Content {
		switch c := m.Content[i].AsAny().(type) {
		case anthropic.TextBlock:
			known(c.JSON.ExtraFields)
			out = append(out, "text "+c.Text)
		case anthropic.ThinkingBlock:
			known(c.JSON.ExtraFields)
			out = append(out, "thinking "+c.Thinking+" "+c.Signature)
		case anthropic.RedactedThinkingBlock:
			known(c.JSON.ExtraFields)
			out = append(out, "redacted "+c.Data)
		case anthropic.ToolUseBlock:
			known(c.JSON.ExtraFields)
			if c.ID == "" {
				t.Error("a tool call without an id")
			}
			out = append(out, "call "+c.Name+" "+compactJSON(string(c.Input)))
		default:
			t.Errorf("a block %T", c)
		}
	}
	return out
}

// saidTo is what the first choice of res says, as blocksOf has it.
func saidTo(res *llm.Result) (out []string) {
	for i, m := range res.Messages() {
		for _, p := range m.Parts {
			switch {
			case i > 0:
			case (p.Kind == llm.PartText || p.Kind == llm.PartRefusal) && p.Text != "":
				out = append(out, "text "+p.Text)
			case p.Kind == llm.PartReasoning && p.Data != "":
				out = append(out, "redacted "+p.Data)
			case p.Kind == llm.PartReasoning && p.Text+p.Signature != "":
				out = append(out, "thinking "+p.Text+" "+p.Signature)
			case p.Kind == llm.PartToolCall:
				out = append(out, "call "+p.Name+" "+compactJSON(p.Text))
			}
		}
	}
	return out
}

func compactJSON(s string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(cmp.Or(s, "{}"))); err != nil {
		return "{}" // was cut short
	}
	return b.String()
}
