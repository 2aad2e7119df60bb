package gemini

import (
	"math"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// config translates the parameters into a GenerationConfig.
func (b *builder) config(c *llm.Conversation) error {
	p := &b.r.Params
	topK := p.TopK
	if topK.V != math.Trunc(topK.V) {
		if err := b.cannot(llm.FieldTopK, "Gemini takes a whole number"); err != nil {
			return err
		}
		topK = llm.Opt[float64]{}
	}
	think, err := b.thinking(c)
	if err != nil {
		return err
	}
	g := generationFields{
		Temperature: dialect.Pointer(p.Temperature), TopP: dialect.Pointer(p.TopP), TopK: dialect.Pointer(topK),
		MaxOutputTokens: dialect.Pointer(p.MaxTokens), CandidateCount: dialect.Pointer(p.ChoiceCount), StopSequences: p.Stop,
		Seed: dialect.Pointer(p.Seed), PresencePenalty: dialect.Pointer(p.PresencePenalty), FrequencyPenalty: dialect.Pointer(p.FrequencyPenalty),
		ResponseLogprobs: c.Logprobs, ThinkingConfig: think,
	}
	if c.TopLogprobs.V > 0 {
		g.ResponseLogprobs, g.Logprobs = true, &c.TopLogprobs.V
	}
	if p.OutputType == "json" || c.OutputSchema != nil {
		g.ResponseMIMEType, g.ResponseJSONSchema = "application/json", c.OutputSchema
	}
	b.out.GenerationConfig = g
	return nil
}

// How models are told how much to think.
const (
	never    = iota // before Gemini 2.5, and Gemma
	byBudget        // Gemini 2.5
	byLevel         // Gemini 3 and later
	either          // names that tell nothing, such as gemini-flash-latest or a tuned model's
)

// thinks tells by a model's name (Gemini thinking, "Thinking levels" and "Thinking budgets").
func thinks(model string) int {
	switch {
	case strings.Contains(model, "gemini-1"), strings.Contains(model, "gemini-2.0"), strings.Contains(model, "gemma"):
		return never
	case strings.Contains(model, "gemini-2"):
		return byBudget
	case strings.Contains(model, "gemini-3"), strings.Contains(model, "gemini-4"):
		return byLevel
	}
	return either
}

// budgets stand for other providers' levels with Gemini 2.5, as in Google's own compatibility layer ("OpenAI compatibility",
// section "Thinking").
var budgets = map[string]int64{"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

// thinking translates how much the model is to think; nil when that is left to it.
func (b *builder) thinking(c *llm.Conversation) (*thinkingConfig, error) {
	var t thinkingConfig
	how := thinks(b.model)
	mode, level, err := b.loss.Reasoning(b.r, c)
	if err != nil {
		return nil, err
	}
	switch budget := c.ThinkingBudget; {
	case !budget.Set || mode == "off":
	case how == never:
		err = b.cannot(llm.FieldThinkingBudget, "the model does not think")
	default:
		mode, t.ThinkingBudget = "on", &budget.V
		if level != "" {
			level, err = "", b.cannot(llm.FieldEffort, "Gemini takes a level or a budget, not both")
		}
	}
	if err != nil {
		return nil, err
	}
	if err := b.level(&t, how, level); err != nil {
		return nil, err
	}
	if err := b.mode(&t, how, mode, c.ThinkingField()); err != nil {
		return nil, err
	}
	// Where thinking is turned on its text is part of the answer unless the request says otherwise.
	t.IncludeThoughts = how != never && (c.ShowThinking.V || mode == "on" && !c.ShowThinking.Set)
	if t == (thinkingConfig{}) {
		return nil, nil
	}
	return &t, nil
}

func (b *builder) level(t *thinkingConfig, how int, level string) error {
	n, known := budgets[level]
	switch {
	case level == "":
	case how == never:
		return b.cannot(llm.FieldEffort, "the model does not think")
	case !known:
		return b.cannot(llm.FieldEffort, "Gemini knows minimal, low, medium and high")
	case how == byBudget:
		t.ThinkingBudget = &n
	default:
		t.ThinkingLevel = level
	}
	return nil
}

// mode turns thinking on or off, where level and budget do not say. The request says so by field.
func (b *builder) mode(t *thinkingConfig, how int, mode string, field llm.Field) error {
	switch {
	case mode == "" || t.ThinkingBudget != nil || t.ThinkingLevel != "":
	case mode == "on" && how == never:
		return b.cannot(llm.FieldThinking, "the model does not think")
	case mode == "on" && how != byLevel:
		dynamic := int64(-1) // as much as the model likes
		t.ThinkingBudget = &dynamic
	case mode == "off" && (how == byBudget || how == either):
		t.ThinkingBudget = new(int64)
	case mode == "off" && how == byLevel:
		return b.cannot(field, "Gemini's thinking models from Gemini 3 on always think")
	}
	return nil
}
