package mistral

import (
	"bytes"
	"encoding/json"
)

// request is the body of "Chat completion".
type request struct {
	Model             string          `json:"model"`
	Messages          []message       `json:"messages"`
	Temperature       *float64        `json:"temperature,omitempty"`
	TopP              *float64        `json:"top_p,omitempty"`
	MaxTokens         *int64          `json:"max_tokens,omitempty"`
	Stream            bool            `json:"stream,omitempty"`
	Stop              []string        `json:"stop,omitempty"`
	RandomSeed        *int64          `json:"random_seed,omitempty"`
	PresencePenalty   *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty  *float64        `json:"frequency_penalty,omitempty"`
	N                 *int64          `json:"n,omitempty"`
	ResponseFormat    *format         `json:"response_format,omitempty"`
	Tools             []tool          `json:"tools,omitempty"`
	ToolChoice        any             `json:"tool_choice,omitempty"` // a word, or a tool of which the function's name alone is given
	ParallelToolCalls *bool           `json:"parallel_tool_calls,omitempty"`
	Prediction        *prediction     `json:"prediction,omitempty"`
	ReasoningEffort   string          `json:"reasoning_effort,omitempty"`
	PromptCacheKey    json.RawMessage `json:"prompt_cache_key,omitempty"`
	Metadata          json.RawMessage `json:"metadata,omitempty"`
}

type message struct {
	Role       string     `json:"role"`
	Content    any        `json:"content"` // a string or []chunk
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	Prefix     bool       `json:"prefix,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
	Name       string     `json:"name,omitempty"`
}

// chunk is a content chunk of any type.
type chunk struct {
	Type         string  `json:"type"`
	Text         *string `json:"text,omitempty"`
	Thinking     []chunk `json:"thinking,omitempty"`
	ImageURL     *image  `json:"image_url,omitempty"`
	DocumentURL  string  `json:"document_url,omitempty"`
	DocumentName string  `json:"document_name,omitempty"`
	InputAudio   string  `json:"input_audio,omitempty"`
}

type image struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
	Index    int          `json:"index"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type format struct {
	Type   string  `json:"type"`
	Schema *schema `json:"json_schema,omitempty"`
}

type schema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict *bool           `json:"strict,omitempty"`
}

type prediction struct {
	Type    string `json:"type"`
	Content string `json:"content"`
}

// embedRequest is the body of "Embeddings".
type embedRequest struct {
	Model     string   `json:"model"`
	Input     []string `json:"input"`
	Dimension *int64   `json:"output_dimension,omitempty"`
}

// encode is JSON without the escapes that only HTML needs, and without a line feed.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
