package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	cohere "github.com/cohere-ai/cohere-go/v2"
	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/genai"

	"github.com/spanway/spanway/internal/llm"
)

// geminiRequest is generateContent's (Gemini API reference, models.generateContent): genai has no type of its own for the whole.
type geminiRequest struct {
	Contents          []*genai.Content        `json:"contents"`
	SystemInstruction *genai.Content          `json:"systemInstruction,omitempty"`
	Tools             []*genai.Tool           `json:"tools,omitempty"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig,omitempty"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig,omitempty"`
	SafetySettings    []*genai.SafetySetting  `json:"safetySettings,omitempty"`
	ServiceTier       string                  `json:"serviceTier,omitempty"`
}

// ollamaRequest has options of a type, which the library leaves open.
type ollamaRequest struct {
	api.ChatRequest
	Options *api.Options `json:"options,omitempty"`
}

// beyond are members that providers of an API take and its official library does not know.
var beyond = map[llm.API][]string{
	llm.OpenAIChat: {
		"reasoning_content", // DeepSeek's, of an earlier turn
		"reasoning_details", // OpenRouter's, of an earlier turn
		"tool_choice",       // the library writes it and does not read it
	},
}

// takes fails when b's provider would not know a member of body, or wants it to be something else: by its official library's
// type of the request, or by the schema in testdata/schemas, which is written after the provider's reference.
func (d *dialect) takes(t testing.TB, body []byte) {
	t.Helper()
	var err error
	switch d.api {
	case llm.OpenAIChat:
		err = known(body, new(openai.ChatCompletionNewParams), append(beyond[d.api], "stream"))
	case llm.AnthropicMessages:
		err = known(body, new(anthropic.MessageNewParams), append(beyond[d.api], "stream"))
	case llm.GeminiGenerate:
		body = bytes.ReplaceAll(body, []byte(noSignature), []byte("c2ln")) // base64 for URLs, which the API takes too
		err = known(body, new(geminiRequest), nil)
	case llm.CohereChat:
		err = known(body, new(cohere.V2ChatRequest), []string{"stream"})
	case llm.OllamaChat:
		err = known(body, new(ollamaRequest), nil)
	default:
		err = schema(t, d.api).Validate(decodeFor(t, body))
	}
	if err != nil {
		t.Errorf("%s: %v\nin %s", d.api, err, body)
	}
}

func schema(t testing.TB, api llm.API) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schemas", string(api)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decodeFor(t testing.TB, body []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// known decodes body into v and back, and tells what was lost on the way: members that v's type does not know, and values of
// another type. The members extra, wherever they are, may be lost.
func known(body []byte, v any, extra []string) error {
	if err := json.Unmarshal(body, v); err != nil {
		return err
	}
	back, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var was, is any
	if err := json.Unmarshal(body, &was); err != nil {
		return err
	}
	if err := json.Unmarshal(back, &is); err != nil {
		return err
	}
	if lost := missing("", was, is, extra); len(lost) > 0 {
		return fmt.Errorf("the library of the API does not know %s, it understood %s", strings.Join(lost, ", "), back)
	}
	return nil
}

// missing are the paths of what was has and is lacks. A schema of a tool is its own language.
func missing(path string, was, is any, extra []string) []string {
	switch was := was.(type) {
	case map[string]any:
		m, ok := is.(map[string]any)
		if !ok && !blank(was) {
			return []string{path}
		}
		var out []string
		for _, k := range slices.Sorted(maps.Keys(was)) {
			if !slices.Contains(extra, k) {
				out = append(out, missing(path+"."+k, was[k], m[k], extra)...)
			}
		}
		return out
	case []any:
		list, ok := is.([]any)
		if (!ok || len(list) != len(was)) && !blank(was) {
			return []string{path}
		}
		var out []string
		for i := range was {
			out = append(out, missing(fmt.Sprintf("%s[%d]", path, i), was[i], list[i], extra)...)
		}
		return out
	}
	if !reflect.DeepEqual(was, is) && !blank(was) {
		return []string{path}
	}
	return nil
}

// blank reports whether a library may leave v out.
func blank(v any) bool {
	return v == nil || v == false || v == "" || v == 0.0 || reflect.DeepEqual(v, map[string]any{}) || reflect.DeepEqual(v, []any{})
}
