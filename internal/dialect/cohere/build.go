package cohere

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// What Cohere's models take (API reference, chat): bounds of parameters that other providers bound otherwise.
const (
	maxPenalty = 1 // from 0
	minP, maxP = 0.01, 0.99
	maxK       = 500
	maxStop    = 5
)

// carried are the fields that BuildRequest carries, some of them in part.
var carried = []llm.Field{
	llm.FieldMessages, llm.FieldSystem, llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldFrequency, llm.FieldPresence,
	llm.FieldMaxTokens, llm.FieldSeed, llm.FieldStop, llm.FieldLogprobs, llm.FieldOutput, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldShowThinking, llm.FieldTools, llm.FieldStrict, llm.FieldToolChoice,
	llm.FieldImage, llm.FieldImageURL, llm.FieldImageDetail, llm.FieldReasoning,
}

// BuildRequest implements llm.Outbound: chats become requests of chat, embeddings of embed, both of version 2.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	embeds := r.Op == llm.OpEmbeddings
	if !embeds && !r.Chats() || r.API == llm.CohereChatV1 {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to Cohere.", r.API)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	if embeds {
		body, err := buildEmbed(r, c, model, loss)
		return llm.CohereEmbed, body, err
	}
	b := builder{request: r, conversation: c, loss: loss, out: chatRequest{Model: model, Stream: r.Stream}}
	if err := cmp.Or(
		loss.Check(r, c, "Cohere", carried...),
		b.params(),
		b.format(),
		b.thinking(),
		b.tools(),
		b.toolChoice(),
		b.messages(),
	); err != nil {
		return "", nil, err
	}
	body, err := encode(&b.out)
	return llm.CohereChat, body, err
}

// encode is v as JSON that has its texts as they are, < and > included.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// builder translates one chat.
type builder struct {
	request      *llm.Request
	conversation *llm.Conversation
	loss         *llm.Loss
	out          chatRequest
	ids          ids
}

// within sets dst to o if it is between low and high, and tells that it cannot be carried if it is not.
func (b *builder) within(dst **float64, f llm.Field, o llm.Opt[float64], low, high float64) error {
	switch {
	case !o.Set:
		return nil
	case o.V < low || o.V > high:
		return b.loss.Field(b.request, f, fmt.Sprintf("Cohere takes %v to %v, not %v", low, high, o.V))
	}
	*dst = &o.V
	return nil
}

func (b *builder) params() error {
	p, out := &b.request.Params, &b.out
	out.Temperature, out.MaxTokens, out.Seed = dialect.Pointer(p.Temperature), dialect.Pointer(p.MaxTokens), dialect.Pointer(p.Seed)
	out.Logprobs = b.conversation.Logprobs
	if out.StopSequences = p.Stop; len(p.Stop) > maxStop {
		out.StopSequences = p.Stop[:maxStop]
		if err := b.loss.Field(b.request, llm.FieldStop, fmt.Sprintf("Cohere takes up to %d, not %d", maxStop, len(p.Stop))); err != nil {
			return err
		}
	}
	return cmp.Or(
		b.within(&out.P, llm.FieldTopP, p.TopP, minP, maxP),
		b.within(&out.K, llm.FieldTopK, p.TopK, 0, maxK),
		b.within(&out.FrequencyPenalty, llm.FieldFrequency, p.FrequencyPenalty, 0, maxPenalty),
		b.within(&out.PresencePenalty, llm.FieldPresence, p.PresencePenalty, 0, maxPenalty),
	)
}

func (b *builder) format() error {
	if b.request.Params.OutputType == "json" {
		b.out.ResponseFormat = &format{Type: "json_object", JSONSchema: b.conversation.OutputSchema}
	}
	return nil
}

// thinking carries whether the model is to reason. Levels there are two of, as in Cohere's Compatibility API: none, and high,
// which is to reason without a bound. What a model reasons is always part of its answer.
func (b *builder) thinking() error {
	c := b.conversation
	state, effort, err := b.loss.Reasoning(b.request, c)
	if err != nil {
		return err
	}
	why := ""
	switch {
	case effort == "":
	case effort != "high":
		why = "Cohere's models reason with none or high, not " + effort
	case c.ThinkingBudget.Set:
		why = "Cohere's models reason with an effort of high, or within a budget"
	default:
		state = "on"
	}
	if why != "" {
		if err := b.loss.Field(b.request, llm.FieldEffort, why); err != nil {
			return err
		}
	}
	if c.ShowThinking.Set && !c.ShowThinking.V && state != "off" {
		if err := b.loss.Field(b.request, llm.FieldShowThinking, "Cohere's models always tell their reasoning"); err != nil {
			return err
		}
	}
	switch {
	case state == "off":
		b.out.Thinking = &thinkingOption{Type: "disabled"}
	case state == "on" || c.ThinkingBudget.Set:
		b.out.Thinking = &thinkingOption{Type: "enabled", TokenBudget: dialect.Pointer(c.ThinkingBudget)}
	}
	return nil
}

// anything is the schema of a tool that names none.
const anything = `{"type":"object","properties":{}}`

func (b *builder) tools() error {
	strict := 0
	for i := range b.conversation.Tools {
		t := &b.conversation.Tools[i]
		if t.Raw != nil {
			continue // not a function: Check has told
		}
		schema := json.RawMessage(t.Schema)
		if len(schema) == 0 {
			schema = json.RawMessage(anything)
		}
		if t.Strict.V {
			strict++
		}
		b.out.Tools = append(b.out.Tools, tool{Type: "function", Function: function{Name: t.Name, Description: t.Description, Parameters: schema}})
	}
	b.out.StrictTools = strict > 0
	if strict > 0 && strict < len(b.out.Tools) {
		b.out.StrictTools = false
		return b.loss.Field(b.request, llm.FieldStrict, "Cohere is strict about all tools or about none")
	}
	return nil
}

// toolChoice carries the choice of a tool. One that has to be called is required where there is no other.
func (b *builder) toolChoice() error {
	c := b.conversation
	if len(b.out.Tools) == 0 {
		return nil
	}
	switch c.ToolChoice {
	case "none":
		b.out.ToolChoice = "NONE"
	case "required":
		b.out.ToolChoice = "REQUIRED"
	case "tool":
		if len(b.out.Tools) != 1 || b.out.Tools[0].Function.Name != c.ToolChoiceName {
			return b.loss.Field(b.request, llm.FieldToolChoice, "Cohere's models can be made to call some tool, not a particular one of several")
		}
		b.out.ToolChoice = "REQUIRED"
	}
	return nil
}
