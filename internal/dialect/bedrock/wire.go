package bedrock

import (
	"bytes"
	"encoding/json"
)

// request is the body of POST /model/{modelId}/converse and …/converse-stream (API reference, Converse).
type request struct {
	Messages     []message       `json:"messages"`
	System       []block         `json:"system,omitempty"`
	Inference    *inference      `json:"inferenceConfig,omitempty"`
	Tools        *toolConfig     `json:"toolConfig,omitempty"`
	Output       *outputSettings `json:"outputConfig,omitempty"`
	ServiceTier  *typed          `json:"serviceTier,omitempty"`
	ModelsFields map[string]any  `json:"additionalModelRequestFields,omitempty"`
}

type message struct {
	Role    string  `json:"role"`
	Content []block `json:"content"`
}

// block is a content block: exactly one of its members is set. The content of a tool's result has the same.
type block struct {
	Text       *string     `json:"text,omitempty"`
	Image      *media      `json:"image,omitempty"`
	Document   *media      `json:"document,omitempty"`
	Video      *media      `json:"video,omitempty"`
	Audio      *media      `json:"audio,omitempty"`
	ToolUse    *toolUse    `json:"toolUse,omitempty"`
	ToolResult *toolResult `json:"toolResult,omitempty"`
	Reasoning  *reasoning  `json:"reasoningContent,omitempty"`
	CachePoint *cachePoint `json:"cachePoint,omitempty"`
}

// media is an ImageBlock, a DocumentBlock, a VideoBlock or an AudioBlock.
type media struct {
	Format string `json:"format"`
	Name   string `json:"name,omitempty"` // of documents
	Source source `json:"source"`
}

type source struct {
	Bytes string  `json:"bytes,omitempty"` // base64
	S3    *object `json:"s3Location,omitempty"`
}

type object struct {
	URI string `json:"uri"`
}

type toolUse struct {
	ID    string          `json:"toolUseId"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type toolResult struct {
	ID      string  `json:"toolUseId"`
	Content []block `json:"content"`
	Status  string  `json:"status,omitempty"`
}

type reasoning struct {
	Text     *reasoningText `json:"reasoningText,omitempty"`
	Redacted string         `json:"redactedContent,omitempty"` // base64
}

type reasoningText struct {
	Text      string `json:"text"`
	Signature string `json:"signature,omitempty"`
}

type cachePoint struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitempty"`
}

type inference struct {
	MaxTokens   *int64   `json:"maxTokens,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`
	TopP        *float64 `json:"topP,omitempty"`
	Stop        []string `json:"stopSequences,omitempty"`
}

type toolConfig struct {
	Tools  []tool      `json:"tools"`
	Choice *toolChoice `json:"toolChoice,omitempty"`
}

// tool is one of the two.
type tool struct {
	Spec       *toolSpec   `json:"toolSpec,omitempty"`
	CachePoint *cachePoint `json:"cachePoint,omitempty"`
}

type toolSpec struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Input       toolSchema `json:"inputSchema"`
	Strict      *bool      `json:"strict,omitempty"`
}

type toolSchema struct {
	JSON json.RawMessage `json:"json"`
}

// toolChoice is one of the three.
type toolChoice struct {
	Auto *struct{} `json:"auto,omitempty"`
	Any  *struct{} `json:"any,omitempty"`
	Tool *named    `json:"tool,omitempty"`
}

type named struct {
	Name string `json:"name"`
}

type typed struct {
	Type string `json:"type"`
}

type outputSettings struct {
	Effort string      `json:"effort,omitempty"`
	Format *textFormat `json:"textFormat,omitempty"`
}

type textFormat struct {
	Type      string          `json:"type"`
	Structure formatStructure `json:"structure"`
}

type formatStructure struct {
	JSONSchema jsonSchema `json:"jsonSchema"`
}

type jsonSchema struct {
	Schema string `json:"schema"` // JSON in a string
	Name   string `json:"name,omitempty"`
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
