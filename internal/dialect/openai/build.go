package openai

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// carried are the fields that chat completions has a place for. Not among them:
//   - reasoning of earlier turns: reasoning_content and reasoning_details are members of other hosts, and "Create chat
//     completion" has none like them;
//   - cache marks: the cache is automatic, and explicit breakpoints are for OpenAI's latest models alone;
//   - a file's id, unless the client speaks OpenAI's own: it is good at the provider that holds the file.
var carried = []llm.Field{
	llm.FieldTemperature, llm.FieldTopP, llm.FieldFrequency, llm.FieldPresence, llm.FieldMaxTokens, llm.FieldSeed, llm.FieldStop,
	llm.FieldChoices, llm.FieldLogprobs, llm.FieldTopLogprobs, llm.FieldOutput, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldServiceTier, llm.FieldUser, llm.FieldTools, llm.FieldStrict, llm.FieldToolChoice, llm.FieldParallel,
	llm.FieldName, llm.FieldImage, llm.FieldImageURL, llm.FieldImageDetail, llm.FieldAudio, llm.FieldDocument,
}

// BuildRequest implements llm.Outbound: a conversation becomes a chat completion, and what is to be embedded a request for
// embeddings.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	chat := r.Chats()
	if !chat && r.Op != llm.OpEmbeddings {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
			"The provider behind this route speaks OpenAI's API, to which only conversations and embeddings can be translated.")
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	b := builder{dst: make([]byte, 1, 512+len(r.Raw)), r: r, loss: loss, model: model}
	b.dst[0] = '{'
	if !chat {
		err = b.embeddings(c)
		return llm.OpenAIEmbeddings, append(b.dst, '}'), err
	}
	can := carried
	if r.Dialect == llm.OpenAI {
		can = append(can[:len(can):len(can)], llm.FieldFile)
	}
	if err := loss.Check(r, c, "OpenAI's chat completions", can...); err != nil {
		return "", nil, err
	}
	b.str("model", model)
	if err := b.messages(c); err != nil {
		return "", nil, err
	}
	b.tools(c)
	if err := b.params(&r.Params, c); err != nil {
		return "", nil, err
	}
	b.format(c)
	if r.Stream {
		// A client of another dialect is told usage whether or not it asks.
		b.raw("stream", "true")
		b.raw("stream_options", `{"include_usage":true}`)
	}
	if c.User != "" {
		b.str("user", c.User)
	}
	return llm.OpenAIChat, append(b.dst, '}'), nil
}

// builder appends the members of an object.
type builder struct {
	dst   []byte
	r     *llm.Request
	loss  *llm.Loss
	model string
	calls []pending
}

// pending is a tool call that was appended and may get its result.
type pending struct {
	id, name string
	answered bool
}

func (b *builder) key(k string)       { b.dst = appendMember(b.dst, k) }
func (b *builder) raw(k, json string) { b.key(k); b.dst = append(b.dst, json...) }
func (b *builder) str(k, s string)    { b.key(k); b.dst = jsonscan.AppendString(b.dst, s) }

func (b *builder) bool(k string, o llm.Opt[bool]) {
	if o.Set {
		b.raw(k, strconv.FormatBool(o.V))
	}
}

func (b *builder) float(k string, o llm.Opt[float64]) {
	if o.Set {
		b.key(k)
		b.dst = strconv.AppendFloat(b.dst, o.V, 'g', -1, 64)
	}
}

func (b *builder) int(k string, o llm.Opt[int64]) {
	if o.Set {
		b.key(k)
		b.dst = strconv.AppendInt(b.dst, o.V, 10)
	}
}

func (b *builder) comma(i int) {
	if i > 0 {
		b.dst = append(b.dst, ',')
	}
}

func (b *builder) params(p *llm.Params, c *llm.Conversation) error {
	b.float("temperature", p.Temperature)
	b.float("top_p", p.TopP)
	b.float("frequency_penalty", p.FrequencyPenalty)
	b.float("presence_penalty", p.PresencePenalty)
	b.int(maxTokens(b.model), p.MaxTokens)
	b.int("seed", p.Seed)
	b.int("n", p.ChoiceCount)
	if c.Logprobs {
		b.raw("logprobs", "true")
	}
	b.int("top_logprobs", c.TopLogprobs)
	if len(p.Stop) > 0 {
		b.strings("stop", p.Stop)
	}
	if err := b.effort(c); err != nil {
		return err
	}
	return b.tier(p.ServiceTier)
}

func (b *builder) strings(k string, list []string) {
	b.raw(k, "[")
	for i, s := range list {
		b.comma(i)
		b.dst = jsonscan.AppendString(b.dst, s)
	}
	b.dst = append(b.dst, ']')
}

// effort appends how much to reason (API reference, reasoning_effort). None is how reasoning is turned off; the models before
// those that reason never do and do not know the member.
func (b *builder) effort(c *llm.Conversation) error {
	thinking, level, err := b.loss.Reasoning(b.r, c)
	if err != nil {
		return err
	}
	switch level {
	case "minimal", "low", "medium", "high", "xhigh", "max":
		b.str("reasoning_effort", level)
		return nil
	case "":
		if thinking == "off" && !unreasoning(b.model) {
			b.str("reasoning_effort", "none")
		}
	default:
		if err := b.loss.Field(b.r, llm.FieldEffort, "OpenAI's levels are none, minimal, low, medium, high, xhigh and max"); err != nil {
			return err
		}
	}
	if thinking == "on" {
		return b.loss.Field(b.r, llm.FieldThinking, "OpenAI's chat completions takes a level of effort, and nothing that turns reasoning on")
	}
	return nil
}

func unreasoning(model string) bool {
	return strings.HasPrefix(model, "gpt-4") || strings.HasPrefix(model, "gpt-3.5") || strings.HasPrefix(model, "chatgpt-4o")
}

// tier appends the service tier. Other providers have words of their own; what is common has the same name.
func (b *builder) tier(tier string) error {
	switch tier {
	case "", "default":
		return nil
	case "flex", "priority":
		b.str("service_tier", tier)
		return nil
	}
	if b.r.Dialect == llm.OpenAI {
		b.str("service_tier", tier)
		return nil
	}
	return b.loss.Field(b.r, llm.FieldServiceTier, "OpenAI's tiers are default, flex and priority")
}

// maxTokens is the member that bounds the answer. Compatible hosts know max_tokens; OpenAI's reasoning models refuse it (API
// reference, max_completion_tokens).
func maxTokens(model string) string {
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(model, prefix) {
			return "max_completion_tokens"
		}
	}
	return "max_tokens"
}

// format appends the format of the answer. A schema has to have a name.
func (b *builder) format(c *llm.Conversation) {
	switch {
	case c.OutputSchema != nil:
		b.raw("response_format", `{"type":"json_schema","json_schema":{`)
		name := c.OutputName
		if name == "" {
			name = "answer"
		}
		b.str("name", name)
		b.raw("schema", string(c.OutputSchema))
		b.bool("strict", c.OutputStrict)
		b.dst = append(b.dst, "}}"...)
	case b.r.Params.OutputType == "json":
		b.raw("response_format", `{"type":"json_object"}`)
	}
}

func (b *builder) tools(c *llm.Conversation) {
	n := 0
	for i := range c.Tools {
		t := &c.Tools[i]
		if t.Raw != nil { // dropped, which the check has allowed
			continue
		}
		if n == 0 {
			b.raw("tools", "[")
		}
		b.comma(n)
		b.tool(t)
		n++
	}
	if n == 0 {
		return
	}
	b.dst = append(b.dst, ']')
	switch c.ToolChoice {
	case "":
	case "tool":
		b.raw("tool_choice", `{"type":"function","function":{`)
		b.str("name", c.ToolChoiceName)
		b.dst = append(b.dst, "}}"...)
	default:
		b.str("tool_choice", c.ToolChoice)
	}
	b.bool("parallel_tool_calls", c.ParallelToolCalls)
}

func (b *builder) tool(t *llm.Tool) {
	b.dst = append(b.dst, '{')
	b.str("type", "function")
	b.raw("function", "{")
	b.str("name", t.Name)
	if t.Description != "" {
		b.str("description", t.Description)
	}
	if t.Schema != nil {
		b.raw("parameters", string(t.Schema))
	}
	b.bool("strict", t.Strict)
	b.dst = append(b.dst, "}}"...)
}
