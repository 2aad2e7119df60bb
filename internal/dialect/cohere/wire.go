package cohere

import "encoding/json"

// The objects that are written, named as in the API reference, version 2.

type chatRequest struct {
	Stream           bool            `json:"stream"`
	Model            string          `json:"model"`
	Messages         []any           `json:"messages"`
	Tools            []tool          `json:"tools,omitempty"`
	StrictTools      bool            `json:"strict_tools,omitempty"`
	ResponseFormat   *format         `json:"response_format,omitempty"`
	MaxTokens        *int64          `json:"max_tokens,omitempty"`
	StopSequences    []string        `json:"stop_sequences,omitempty"`
	Temperature      *float64        `json:"temperature,omitempty"`
	Seed             *int64          `json:"seed,omitempty"`
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"`
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`
	K                *float64        `json:"k,omitempty"`
	P                *float64        `json:"p,omitempty"`
	Logprobs         bool            `json:"logprobs,omitempty"`
	ToolChoice       string          `json:"tool_choice,omitempty"`
	Thinking         *thinkingOption `json:"thinking,omitempty"`
}

// message is what a system, a user or the model says.
type chatMessage struct {
	Role      string     `json:"role"`
	Content   any        `json:"content,omitempty"` // a text, or contents
	ToolPlan  string     `json:"tool_plan,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// toolMessage is what a tool answered. Its content has to be there, and may be empty.
type toolMessage struct {
	Role       string `json:"role"`
	ToolCallID string `json:"tool_call_id"`
	Content    any    `json:"content"` // a text, or contents
}

// content is a part of a message: of its members, the type's own is set.
type content struct {
	Type     string    `json:"type"`
	Text     *string   `json:"text,omitempty"`
	Thinking *string   `json:"thinking,omitempty"`
	ImageURL *imageURL `json:"image_url,omitempty"`
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function callBody `json:"function"`
}

type callBody struct {
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
	Parameters  json.RawMessage `json:"parameters"`
}

type format struct {
	Type       string          `json:"type"`
	JSONSchema json.RawMessage `json:"json_schema,omitempty"`
}

type thinkingOption struct {
	Type        string `json:"type"`
	TokenBudget *int64 `json:"token_budget,omitempty"`
}

type embedRequest struct {
	Model           string   `json:"model"`
	InputType       string   `json:"input_type"`
	Texts           []string `json:"texts,omitempty"`
	Inputs          []input  `json:"inputs,omitempty"`
	OutputDimension *int64   `json:"output_dimension,omitempty"`
	EmbeddingTypes  []string `json:"embedding_types"`
}

type input struct {
	Content []content `json:"content"`
}

// The response.

type chatResponse struct {
	ID           string          `json:"id"`
	Message      responseMessage `json:"message"`
	FinishReason string          `json:"finish_reason"`
	Usage        *usage          `json:"usage,omitempty"`
	Logprobs     []logprob       `json:"logprobs,omitempty"`
}

type responseMessage struct {
	Role      string     `json:"role"`
	Content   []content  `json:"content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type usage struct {
	BilledUnits  *units `json:"billed_units,omitempty"`
	Tokens       *units `json:"tokens,omitempty"`
	CachedTokens *int64 `json:"cached_tokens,omitempty"`
}

type units struct {
	InputTokens  *int64 `json:"input_tokens,omitempty"`
	OutputTokens *int64 `json:"output_tokens,omitempty"`
}

// logprob is one of a piece of text, which has several where it takes several tokens.
type logprob struct {
	Text     string    `json:"text"`
	TokenIDs []int64   `json:"token_ids"`
	Logprobs []float64 `json:"logprobs"`
}
