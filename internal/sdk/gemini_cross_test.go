package sdk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"

	geminidialect "github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
)

// contents are what Google's library makes of an answer, streamed or not, a line for each thing that it tells.
func contents(t *testing.T, s seen) []string {
	t.Helper()
	if s.Failure != (failure{}) {
		t.Fatalf("the library failed with %+v", s.Failure)
	}
	var out []string
	for _, v := range s.Values {
		r, ok := v.(genai.GenerateContentResponse)
		if !ok {
			t.Fatalf("the library returned %T", v)
		}
		for _, c := range r.Candidates {
			out = append(out, candidateLines(c)...)
		}
		if u := r.UsageMetadata; u != nil {
			out = append(out, fmt.Sprintf("usage %d (cached %d) + %d + %d thoughts = %d",
				u.PromptTokenCount, u.CachedContentTokenCount, u.CandidatesTokenCount, u.ThoughtsTokenCount, u.TotalTokenCount))
		}
	}
	return out
}

func candidateLines(c *genai.Candidate) []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("%d ", c.Index)+fmt.Sprintf(format, args...))
	}
	if c.Content != nil {
		for _, p := range c.Content.Parts {
			signed := base64.StdEncoding.EncodeToString(p.ThoughtSignature)
			switch f := p.FunctionCall; {
			case f != nil:
				add("%s calls %s %s %v %s", c.Content.Role, f.ID, f.Name, f.Args, signed)
			case p.Thought:
				add("%s thinks %q %s", c.Content.Role, p.Text, signed)
			default:
				add("%s says %q %s", c.Content.Role, p.Text, signed)
			}
		}
	}
	if l := c.LogprobsResult; l != nil {
		for i, chosen := range l.ChosenCandidates {
			add("logprob %s %v", chosen.Token, chosen.LogProbability)
			for _, top := range l.TopCandidates[i].Candidates {
				add("top %s %v", top.Token, top.LogProbability)
			}
		}
	}
	if c.FinishReason != "" {
		add("finishes with %s", c.FinishReason)
	}
	return out
}

// TestGoogleToOthers is what Google's library makes of what only some providers tell: reasoning with its signature, calls in
// parallel, several candidates, log probabilities, and what filters leave.
func TestGoogleToOthers(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		name, path, script string
		do                 func(context.Context, string) seen
		want               []string
	}{
		{"Anthropic, streamed", "/anthropic", "anthropic/stream_tools", gemini(generateStream), []string{
			`0 model thinks "They want the weather." `,
			`0 model thinks "" EqQBCgIYAhIM1gbcDa9GJwZA2b3h`,
			`0 model says "Okay." `,
			`0 model calls toolu_01T1x1fJ34qAmk2tNTrN7Up6 get_weather map[location:San Francisco, CA] `,
			`0 model calls toolu_02 get_time map[] `,
			"0 finishes with STOP",
			"usage 472 (cached 0) + 89 + 0 thoughts = 561",
		}},
		{"Anthropic", "/anthropic", "anthropic/tools", gemini(generate), []string{
			`0 model says "I'll look both up." `,
			"0 model calls toolu_01A09q90qw90lq917835lq9 get_weather map[location:Paris unit:c] ",
			"0 model calls toolu_02B get_time map[] ",
			"0 finishes with STOP",
			"usage 472 (cached 0) + 91 + 0 thoughts = 563",
		}},
		{"OpenAI, two candidates", "/openai", "openai/two", gemini(generate), []string{
			`0 model says "Hi" `, "0 finishes with MAX_TOKENS",
			`1 model says "Hey" `, "1 finishes with SAFETY",
			"usage 5 (cached 2) + 2 + 7 thoughts = 14",
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, _ := r.through(t, x.do, x.path, x.script)
			var lines []string
			usage := ""
			for _, line := range contents(t, got) { // of the counts in a stream the last are right
				if strings.HasPrefix(line, "usage") {
					usage = line
					continue
				}
				lines = append(lines, line)
			}
			if d := cmp.Diff(x.want, append(lines, usage)); d != "" {
				t.Errorf("the client is told (-want +got):\n%s", d)
			}
			r.gw.Trace(t)
		})
	}
}

// TestGoogleDecodes has Google's library decode what no provider tells at once.
func TestGoogleDecodes(t *testing.T) {
	w, err := geminidialect.Dialect{}.NewWriter(&llm.Request{API: llm.GeminiGenerate}, new(llm.Loss))
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range []llm.Event{
		{ID: "r1", Model: "m", Parts: []llm.Part{{Kind: llm.PartReasoning, Text: "hm", Signature: "c2ln"}}},
		{Parts: []llm.Part{{Index: 1, Text: "Hi", Logprobs: []llm.Logprob{{Token: "Hi", Logprob: -0.25, Top: []llm.Logprob{{Token: "Hi", Logprob: -0.25}, {Token: "Hello", Logprob: -1.5}}}}}}},
		{Parts: []llm.Part{{Kind: llm.PartBlob, Index: 2, MIME: "image/png", Data: "QUJD"}, {Kind: llm.PartURI, Index: 3, MIME: "video/mp4", URI: "https://x.example/v"}}},
		{Parts: []llm.Part{{Kind: llm.PartReasoning, Index: 4, Signature: "c2lnMg=="}, {Kind: llm.PartToolCall, Index: 5, ID: "1", Name: "f", Text: `{"a":`}}},
		{Parts: []llm.Part{{Kind: llm.PartToolCall, Index: 5, Text: `[1]}`}}, Choices: []llm.Choice{{Finish: "tool_calls"}}},
	} {
		if _, err := w.Write(nil, &ev); err != nil {
			t.Fatal(err)
		}
	}
	out, err := w.Close(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var r genai.GenerateContentResponse
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	want := []string{`0 model thinks "hm" c2ln`, `0 model says "Hi" `, `0 model says "" `, `0 model says "" `, "0 model calls 1 f map[a:[1]] c2lnMg==",
		"0 logprob Hi -0.25", "0 top Hi -0.25", "0 top Hello -1.5", "0 finishes with STOP"}
	if d := cmp.Diff(want, candidateLines(r.Candidates[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	parts := r.Candidates[0].Content.Parts
	if d := cmp.Diff(&genai.Blob{MIMEType: "image/png", Data: []byte("ABC")}, parts[2].InlineData); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&genai.FileData{MIMEType: "video/mp4", FileURI: "https://x.example/v"}, parts[3].FileData); d != "" {
		t.Error(d)
	}
}

// TestEmbeddingsAcross asks OpenAI for embeddings with Google's library.
func TestEmbeddingsAcross(t *testing.T) {
	r := newRig(t)
	got, sent := r.through(t, gemini(func(ctx context.Context, c *genai.Client) ([]any, error) {
		size := int32(3)
		return value(c.Models.EmbedContent(ctx, "text-embedding-3-small", []*genai.Content{
			genai.NewContentFromText("one", genai.RoleUser), genai.NewContentFromText("two", genai.RoleUser)},
			&genai.EmbedContentConfig{OutputDimensionality: &size}))
	}), "/openai", "openai/embeddings")
	if len(got.Values) != 1 || len(sent) != 1 || sent[0].Target != "/v1/embeddings" {
		t.Fatalf("the library saw %+v, the provider %+v", got, sent)
	}
	equalJSON(t, "OpenAI's request", `{"model":"text-embedding-3-small","input":["one","two"],"dimensions":3,"encoding_format":"float"}`, sent[0].Body)
	want := []*genai.ContentEmbedding{{Values: []float32{0.0023064255, -0.009327292, -0.0028842222}}, {Values: []float32{1e-7, 0.5, -1}}}
	if d := cmp.Diff(want, got.Values[0].(genai.EmbedContentResponse).Embeddings); d != "" {
		t.Errorf("the client is told (-want +got):\n%s", d)
	}
	r.gw.Trace(t)
}
