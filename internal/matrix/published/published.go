// Package published holds what goes over the wire to what providers publish of it: the types of their official libraries, or JSON
// Schemas written after their references. It serves tests.
//
// [Request] and [Answer] tell what a provider, or a client, would not know.
package published

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/anthropics/anthropic-sdk-go"
	cohere "github.com/cohere-ai/cohere-go/v2"
	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/genai"

	"github.com/spanway/spanway/internal/llm"
)

//go:embed schemas/*.json
var schemas embed.FS

// NoSignature stands for the signature of calls that Gemini did not make (Gemini API, Thought signatures, FAQ).
const NoSignature = "skip_thought_signature_validator"

// GeminiRequest is a request of generateContent (Gemini API reference, models.generateContent): genai has no type of its own for
// the whole.
type GeminiRequest struct {
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

// beyond are members that providers of OpenAI's chat completions take and its official library does not read.
var beyond = []string{
	"reasoning_content", // DeepSeek's, of an earlier turn
	"reasoning_details", // OpenRouter's, of an earlier turn
	"tool_choice",       // the library writes it and does not read it
	"stream",            // the library's functions add it
}

// Request fails when a provider of api would not know a member of body, or wants it to be something else. Every API that requests are
// translated to is known.
func Request(api llm.API, body []byte) error {
	switch api {
	case llm.OpenAIChat:
		return known(body, new(openai.ChatCompletionNewParams), beyond...)
	case llm.AnthropicMessages:
		return known(body, new(anthropic.MessageNewParams), "stream")
	case llm.GeminiGenerate:
		body = bytes.ReplaceAll(body, []byte(NoSignature), []byte("c2ln")) // base64 for URLs, which the API takes too
		return known(body, new(GeminiRequest))
	case llm.CohereChat:
		return known(body, new(cohere.V2ChatRequest), "stream")
	case llm.OllamaChat:
		return known(body, new(ollamaRequest))
	}
	return valid(string(api), body)
}

// Answer fails when a client of api would not know a member of an answer: body is the whole of it, or the JSON of one event of a
// stream. Bedrock's events are {"type": payload}.
func Answer(api llm.API, stream bool, body []byte) error {
	switch {
	case api == llm.OpenAIChat && stream:
		return decoded(body, new(openai.ChatCompletionChunk))
	case api == llm.OpenAIChat:
		return decoded(body, new(openai.ChatCompletion))
	case api == llm.OpenAIResponses && stream:
		return decoded(body, new(responses.ResponseStreamEventUnion))
	case api == llm.OpenAIResponses:
		return decoded(body, new(responses.Response))
	case api == llm.AnthropicMessages && stream:
		return decoded(body, new(anthropic.MessageStreamEventUnion))
	case api == llm.AnthropicMessages:
		return decoded(body, new(anthropic.Message))
	case api == llm.GeminiGenerate:
		return known(body, new(genai.GenerateContentResponse))
	case api == llm.CohereChat && stream:
		return known(body, new(cohere.V2ChatStreamResponse))
	case api == llm.CohereChat:
		return known(body, new(cohere.V2ChatResponse), "role") // the library has a constant for it
	case api == llm.OllamaChat:
		return known(body, new(ollamaAnswer))
	case stream:
		return valid(string(api)+".event", body)
	}
	return valid(string(api)+".answer", body)
}

// ollamaAnswer has a time that is written as it was read.
type ollamaAnswer struct {
	api.ChatResponse
	CreatedAt string `json:"created_at"`
}

// valid holds body to schemas/{name}.json.
func valid(name string, body []byte) error {
	all, err := compiled()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if all[name] == nil {
		return fmt.Errorf("there is no schema of %s", name)
	}
	return all[name].Validate(v)
}

// compiled are the schemas, by name.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	entries, err := schemas.ReadDir("schemas")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	for _, e := range entries {
		b, err := schemas.ReadFile(path.Join("schemas", e.Name()))
		if err != nil {
			return nil, err
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(base+e.Name(), v); err != nil {
			return nil, err
		}
	}
	all := map[string]*jsonschema.Schema{}
	for _, e := range entries {
		if all[strings.TrimSuffix(e.Name(), ".json")], err = c.Compile(base + e.Name()); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// base is where the schemas find one another.
const base = "https://schemas.test/"

// decoded decodes body into v, of a library that keeps members which it does not know apart, and tells what those are.
func decoded(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return err
	}
	if lost := Unknown(v); len(lost) > 0 {
		return fmt.Errorf("the library of the API does not know %s", strings.Join(lost, ", "))
	}
	return nil
}

// Unknown lists the members in v, of OpenAI's or Anthropic's library, that it has no field for: what it would lose. Unions are
// looked at as what they are.
func Unknown(v any) []string { return unknown(reflect.ValueOf(v), "") }

func unknown(v reflect.Value, path string) (out []string) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, unknown(v.Index(i), fmt.Sprint(path, "[", i, "]"))...)
		}
		return out
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return unknown(v.Elem(), path)
		}
		return nil
	case reflect.Struct:
	default:
		return nil
	}
	if m := v.MethodByName("AsAny"); m.IsValid() && m.Type().NumIn() == 0 {
		as := m.Call(nil)[0]
		if as.IsNil() {
			if raw := v.MethodByName("RawJSON").Call(nil)[0].String(); raw != "" && raw != "null" {
				return []string{path + " is of no known type: " + raw}
			}
			return nil
		}
		return unknown(as.Elem(), path)
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Name != "JSON" {
			if f.IsExported() {
				out = append(out, unknown(v.Field(i), path+"."+f.Name)...)
			}
			continue
		}
		if extra := v.Field(i).FieldByName("ExtraFields"); extra.IsValid() { // a union of scalars has none
			for _, k := range extra.MapKeys() {
				out = append(out, path+"."+k.String())
			}
		}
	}
	return out
}

// known decodes body into v and back, and tells what was lost on the way: members that v's type does not know, and values of
// another type. The members extra, wherever they are, may be lost.
func known(body []byte, v any, extra ...string) error {
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

// missing are the paths of what was has and is lacks.
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
