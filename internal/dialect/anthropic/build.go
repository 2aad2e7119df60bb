package anthropic

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// defaultMaxTokens is sent for clients that name no limit, which the Messages API demands.
const defaultMaxTokens = 4096

// minBudget is the least that thinking may be given, in tokens (API reference, Messages, thinking).
const minBudget = 1024

// maxTemperature is the top of Anthropic's range; OpenAI's goes to 2.
const maxTemperature = 1

// carried are the fields that the Messages API has, some of them in part.
var carried = []llm.Field{
	llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldMaxTokens, llm.FieldStop, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldShowThinking, llm.FieldServiceTier, llm.FieldUser, llm.FieldTools,
	llm.FieldStrict, llm.FieldToolChoice, llm.FieldParallel, llm.FieldCache, llm.FieldImage, llm.FieldImageURL,
	llm.FieldDocument, llm.FieldDocumentURL, llm.FieldToolResultMedia, llm.FieldToolResultError, llm.FieldReasoning,
	llm.FieldSignature,
}

// BuildRequest implements llm.Outbound for every conversation. Texts of the system are hoisted to the top, wherever they
// stand, what one side says in a row becomes one turn, and within it the results of tools come first, as the API demands.
// Blank texts, which it refuses, are left out. Ids of tool calls that it would refuse are made anew.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if !r.Chats() {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
			"The provider behind this route speaks Anthropic's API, to which only conversations can be translated.")
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	if err := loss.Check(r, c, "Anthropic's Messages API", carried...); err != nil {
		return "", nil, err
	}
	b := builder{r: r, loss: loss, out: request{Model: model, MaxTokens: defaultMaxTokens, Stream: r.Stream}}
	b.params(&r.Params)
	b.thinking(c, &r.Params)
	b.format(c.OutputSchema)
	b.conversation(c)
	b.tools(c)
	if c.User != "" {
		b.out.Metadata = &metadata{UserID: c.User}
	}
	if b.err != nil {
		return "", nil, b.err
	}
	body, err := encode(&b.out)
	return llm.AnthropicMessages, body, err
}

// builder makes one request. Its err is the first thing that cannot be.
type builder struct {
	r    *llm.Request
	loss *llm.Loss
	out  request
	ids  callIDs
	err  error
}

// lose tells that a value of f cannot be carried, and why.
func (b *builder) lose(f llm.Field, why string) {
	if err := b.loss.Field(b.r, f, why); err != nil {
		b.fail(err)
	}
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *builder) params(p *llm.Params) {
	q := &b.out
	if p.MaxTokens.Set {
		q.MaxTokens = p.MaxTokens.V
	}
	if p.Temperature.V > maxTemperature {
		b.lose(llm.FieldTemperature, "Anthropic's models take 0 to 1")
	} else {
		q.Temperature = dialect.Pointer(p.Temperature)
	}
	q.TopP = dialect.Pointer(p.TopP)
	if k := p.TopK.V; k < 0 || k != math.Trunc(k) {
		b.lose(llm.FieldTopK, "Anthropic's models take whole numbers of 0 and more")
	} else {
		q.TopK = dialect.Pointer(p.TopK)
	}
	for _, s := range p.Stop {
		if strings.TrimSpace(s) == "" {
			b.lose(llm.FieldStop, "Anthropic's stop sequences hold more than white space")
			continue
		}
		q.StopSequences = append(q.StopSequences, s)
	}
	switch p.ServiceTier {
	case "", "default":
	case "standard_only":
		q.ServiceTier = p.ServiceTier
	default:
		b.lose(llm.FieldServiceTier, "service tiers are each provider's own; Anthropic's are auto and standard_only")
	}
	switch effort := p.Effort(); effort {
	case "", "none":
	case "low", "medium", "high", "xhigh", "max":
		q.OutputConfig = &outputConfig{Effort: effort}
	default:
		b.lose(llm.FieldEffort, "Anthropic's efforts are low, medium, high, xhigh and max")
	}
}

// thinking turns thinking on, within a budget or as the model sees fit, or off, which is also what an effort of none says.
func (b *builder) thinking(c *llm.Conversation, p *llm.Params) {
	if c.Thinking == "off" || c.Thinking == "" && p.Effort() == "none" {
		if c.ThinkingBudget.V > 0 {
			b.lose(llm.FieldThinkingBudget, "thinking is turned off")
		}
		b.out.Thinking = &thinking{Type: "disabled"}
		return
	}
	if p.Effort() == "none" {
		b.lose(llm.FieldEffort, "thinking is turned on")
	}
	budget := b.budget(c, p)
	if c.Thinking == "" && budget == 0 && !c.ShowThinking.V {
		return
	}
	t := &thinking{Type: "adaptive"}
	if budget > 0 {
		t.Type, t.Budget = "enabled", budget
		if !p.MaxTokens.Set {
			b.out.MaxTokens += budget // thinking counts
		}
	}
	if c.ShowThinking.Set {
		if t.Display = "omitted"; c.ShowThinking.V {
			t.Display = "summarized"
		}
	}
	b.out.Thinking = t
}

// budget is what thinking may use, 0 = not said.
func (b *builder) budget(c *llm.Conversation, p *llm.Params) int64 {
	n := c.ThinkingBudget
	switch {
	case !n.Set:
	case n.V < minBudget:
		b.lose(llm.FieldThinkingBudget, "Anthropic's models think within 1024 tokens and more")
	case p.MaxTokens.Set && n.V >= p.MaxTokens.V:
		b.lose(llm.FieldThinkingBudget, "with Anthropic, thinking counts towards the limit of tokens and has to stay below it")
	default:
		return n.V
	}
	return 0
}

// format asks for an answer that follows schema, the one form of structured output there is.
func (b *builder) format(schema []byte) {
	switch {
	case schema == nil:
		return
	case jsonscan.KindOf(schema) != jsonscan.Dict:
		b.lose(llm.FieldSchema, "Anthropic's schemas are objects")
		return
	case b.out.OutputConfig == nil:
		b.out.OutputConfig = new(outputConfig)
	}
	b.out.OutputConfig.Format = &outputFormat{Type: "json_schema", Schema: schema}
}

func (b *builder) tools(c *llm.Conversation) {
	q := &b.out
	for i := range c.Tools {
		t := &c.Tools[i]
		if t.Raw != nil {
			continue // Check has told
		}
		schema := t.Schema
		if jsonscan.IsNull(schema) {
			schema = []byte(`{"type":"object"}`)
		}
		q.Tools = append(q.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: schema, Strict: dialect.Pointer(t.Strict), Cache: b.cache(t.Cache)})
	}
	if len(q.Tools) == 0 {
		return // Check has told
	}
	choice := toolChoice{Type: "auto"}
	switch c.ToolChoice {
	case "", "auto":
	case "none":
		choice.Type = "none"
	case "required":
		choice.Type = "any"
	case "tool":
		choice.Type, choice.Name = "tool", c.ToolChoiceName
	default:
		b.lose(llm.FieldToolChoice, "Anthropic's are auto, any, tool and none")
	}
	choice.DisableParallel = c.ParallelToolCalls.Set && !c.ParallelToolCalls.V && choice.Type != "none"
	if c.ToolChoice != "" || choice.DisableParallel {
		q.ToolChoice = &choice
	}
}

// conversation hoists the system's messages and merges what one side says in a row into one turn.
func (b *builder) conversation(c *llm.Conversation) {
	b.system(c.System)
	for i := range c.Messages {
		m := &c.Messages[i]
		switch m.Role {
		case llm.RoleSystem:
			b.system(m.Parts)
		case llm.RoleAssistant:
			b.turn("assistant", b.assistant(m.Parts, i))
		case llm.RoleUser, llm.RoleTool:
			b.turn("user", b.user(m.Parts, i, m.Role == llm.RoleTool))
		default:
			b.fail(refuseAt("messages", i, "the role %q is unknown", m.Role))
		}
	}
	q := &b.out
	if len(q.Messages) == 0 {
		b.fail(refuse("messages", "messages: at least one message of the user with content is needed"))
	}
	for i := range q.Messages {
		slices.SortStableFunc(q.Messages[i].Content, func(x, y block) int { return order(x) - order(y) })
	}
}

// order is 0 for what has to come first in a turn: the results of tools.
func order(b block) int {
	if b.Type == "tool_result" {
		return 0
	}
	return 1
}

func (b *builder) turn(role string, blocks []block) {
	q := &b.out
	switch n := len(q.Messages); {
	case len(blocks) == 0:
	case n > 0 && q.Messages[n-1].Role == role:
		q.Messages[n-1].Content = append(q.Messages[n-1].Content, blocks...)
	default:
		q.Messages = append(q.Messages, message{Role: role, Content: blocks})
	}
}

func (b *builder) system(parts []llm.Part) {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartText:
			b.out.System = b.text(b.out.System, p)
		case llm.PartBlob, llm.PartURI:
			if f := p.MediaField(); slices.Contains(carried, f) { // else Check has told
				b.lose(f, "Anthropic's system text is text alone")
			}
		case llm.PartFile, llm.PartServerTool, llm.PartOther: // Check has told
		default:
			b.lose(llm.FieldSystem, "Anthropic's system text is text alone")
		}
	}
}
