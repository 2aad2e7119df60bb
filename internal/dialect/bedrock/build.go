package bedrock

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// carried are the fields that Converse has, some of them in part or for some models.
var carried = []llm.Field{
	llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldMaxTokens, llm.FieldStop, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldShowThinking, llm.FieldServiceTier, llm.FieldTools, llm.FieldStrict,
	llm.FieldToolChoice, llm.FieldParallel, llm.FieldCache, llm.FieldImage, llm.FieldImageURL, llm.FieldDocument,
	llm.FieldDocumentURL, llm.FieldAudio, llm.FieldToolResultMedia, llm.FieldToolResultError, llm.FieldReasoning,
	llm.FieldSignature, llm.FieldContent,
}

// BuildRequest implements llm.Outbound for every conversation, by Converse. Texts of the system are hoisted to the top,
// wherever they stand, and what one side says in a row becomes one turn, in which the results of tools come first. Blank texts,
// which Bedrock refuses, are left out. Embeddings requests go to Titan, by InvokeModel.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if r.Op == llm.OpEmbeddings {
		return buildTitan(r, model, loss)
	}
	if !r.Chats() {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
			"The provider behind this route is Bedrock, to whose Converse API only conversations can be translated.")
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	if err := loss.Check(r, c, "Bedrock's Converse API", carried...); err != nil {
		return "", nil, err
	}
	b := builder{r: r, loss: loss, family: familyOf(model)}
	b.params(&r.Params)
	b.thinking(c, &r.Params)
	b.format(c)
	b.conversation(c)
	b.tools(c)
	if b.err != nil {
		return "", nil, b.err
	}
	body, err := encode(&b.out)
	return llm.BedrockConverse, body, err
}

// builder makes one request. Its err is the first thing that cannot be.
type builder struct {
	r      *llm.Request
	loss   *llm.Loss
	family family
	out    request
	ids    callIDs
	names  map[string]bool // of documents
	err    error
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

// modelField sets one of the model's own parameters.
func (b *builder) modelField(name string, v any) {
	if b.out.ModelsFields == nil {
		b.out.ModelsFields = map[string]any{}
	}
	b.out.ModelsFields[name] = v
}

func (b *builder) params(p *llm.Params) {
	q := inference{MaxTokens: dialect.Pointer(p.MaxTokens), TopP: dialect.Pointer(p.TopP)}
	if p.Temperature.V > 1 {
		b.lose(llm.FieldTemperature, "Bedrock's Converse API takes 0 to 1")
	} else {
		q.Temperature = dialect.Pointer(p.Temperature)
	}
	for _, s := range p.Stop {
		if s != "" {
			q.Stop = append(q.Stop, s)
		}
	}
	if q.MaxTokens != nil || q.TopP != nil || q.Temperature != nil || q.Stop != nil {
		b.out.Inference = &q
	}
	if p.TopK.Set {
		b.topK(p.TopK.V)
	}
	switch p.ServiceTier {
	case "", "default":
	case "flex", "priority":
		b.out.ServiceTier = &typed{p.ServiceTier}
	default:
		b.lose(llm.FieldServiceTier, "Bedrock's service tiers are default, flex, priority and reserved")
	}
}

// topK sets what each maker calls differently (user guide, "Inference request parameters and response fields").
func (b *builder) topK(k float64) {
	if k < 0 || k != math.Trunc(k) {
		b.lose(llm.FieldTopK, "Bedrock's models take whole numbers of 0 and more")
		return
	}
	switch b.family {
	case claude, mistralAI:
		b.modelField("top_k", int64(k))
	case commandR:
		b.modelField("k", int64(k))
	case nova:
		b.modelField("inferenceConfig", map[string]any{"topK": int64(k)})
	default:
		b.lose(llm.FieldTopK, "Bedrock's Converse API has it for models of Amazon (Nova), Anthropic, Cohere and Mistral only, which the model's id has to name")
	}
}

// thinking sets how much the model is to reason, for which every maker has members of its own.
func (b *builder) thinking(c *llm.Conversation, p *llm.Params) {
	effort, mode := p.Effort(), c.Thinking
	if effort == "none" {
		effort = ""
		switch mode {
		case "":
			mode = "off"
		case "on":
			b.lose(llm.FieldEffort, "reasoning is turned on")
		}
	}
	switch b.family {
	case claude:
		b.claudeThinking(c, mode)
		b.effort(effort)
		return
	case nova:
		b.novaReasoning(mode, effort)
	case gptOSS:
		if effort != "" {
			b.modelField("reasoning_effort", effort)
		}
		if mode == "off" {
			b.lose(c.ThinkingField(), "the model always reasons")
		}
	default:
		b.effort(effort)
		if mode != "" {
			b.lose(c.ThinkingField(), "Bedrock's Converse API has it for models of Anthropic and Amazon (Nova) only, which the model's id has to name")
		}
	}
	if c.ThinkingBudget.Set {
		b.lose(llm.FieldThinkingBudget, "Bedrock's Converse API has it for models of Anthropic only, which the model's id has to name")
	}
	if c.ShowThinking.Set && !c.ShowThinking.V {
		b.lose(llm.FieldShowThinking, "the model shows all of its reasoning")
	}
}

// effort sets the effort that Converse itself has a member for.
func (b *builder) effort(effort string) {
	switch effort {
	case "":
	case "low", "medium", "high", "xhigh", "max":
		b.settings().Effort = effort
	default:
		b.lose(llm.FieldEffort, "Bedrock's efforts are low, medium, high, xhigh and max")
	}
}

// claudeThinking sets Anthropic's thinking (Anthropic API reference, Messages; user guide, "Extended thinking").
func (b *builder) claudeThinking(c *llm.Conversation, mode string) {
	t := map[string]any{"type": "adaptive"}
	switch {
	case mode == "off":
		if c.ThinkingBudget.V > 0 {
			b.lose(llm.FieldThinkingBudget, "thinking is turned off")
		}
		b.modelField("thinking", map[string]any{"type": "disabled"})
		return
	case c.ThinkingBudget.V > 0:
		t["type"], t["budget_tokens"] = "enabled", c.ThinkingBudget.V
	case c.ThinkingBudget.Set:
		b.lose(llm.FieldThinkingBudget, "Anthropic's models think within 1024 tokens and more")
		return
	case mode == "" && !c.ShowThinking.V:
		return
	}
	if c.ShowThinking.Set {
		t["display"] = map[bool]string{true: "summarized", false: "omitted"}[c.ShowThinking.V]
	}
	b.modelField("thinking", t)
}

// novaReasoning sets Nova's reasoning (Amazon Nova 2 user guide, "Extended thinking").
func (b *builder) novaReasoning(mode, effort string) {
	switch {
	case mode == "off":
		if effort != "" {
			b.lose(llm.FieldEffort, "reasoning is turned off")
		}
		b.modelField("reasoningConfig", map[string]any{"type": "disabled"})
		return
	case effort == "low" || effort == "medium" || effort == "high":
		b.modelField("reasoningConfig", map[string]any{"type": "enabled", "maxReasoningEffort": effort})
		return
	case effort != "":
		b.lose(llm.FieldEffort, "Nova's efforts are low, medium and high")
	}
	if mode != "" {
		b.lose(llm.FieldThinking, "Nova reasons with an effort of low, medium or high")
	}
}

func (b *builder) settings() *outputSettings {
	if b.out.Output == nil {
		b.out.Output = new(outputSettings)
	}
	return b.out.Output
}

// format asks for an answer that follows a schema (API reference, OutputFormat).
func (b *builder) format(c *llm.Conversation) {
	if c.OutputSchema == nil {
		return
	}
	if jsonscan.KindOf(c.OutputSchema) != jsonscan.Dict {
		b.lose(llm.FieldSchema, "Bedrock's schemas are objects")
		return
	}
	b.settings().Format = &textFormat{Type: "json_schema",
		Structure: formatStructure{JSONSchema: jsonSchema{Schema: string(c.OutputSchema), Name: c.OutputName}}}
}

// emptySchema is what tools without a schema take.
const emptySchema = `{"type":"object","properties":{}}`

func (b *builder) tools(c *llm.Conversation) {
	var q toolConfig
	for i := range c.Tools {
		t := &c.Tools[i]
		if t.Raw != nil {
			continue // Check has told
		}
		schema := t.Schema
		if jsonscan.IsNull(schema) {
			schema = []byte(emptySchema)
		}
		spec := &toolSpec{Name: t.Name, Description: t.Description, Input: toolSchema{schema}}
		if t.Strict.V {
			spec.Strict = &t.Strict.V
		}
		q.Tools = append(q.Tools, tool{Spec: spec})
		if mark := b.cache(t.Cache); mark != nil {
			q.Tools = append(q.Tools, tool{CachePoint: mark})
		}
	}
	if len(q.Tools) == 0 {
		return // Check has told
	}
	own := map[string]any{"type": "auto"}
	switch c.ToolChoice {
	case "":
	case "auto":
		q.Choice = &toolChoice{Auto: &struct{}{}}
	case "required":
		q.Choice, own["type"] = &toolChoice{Any: &struct{}{}}, "any"
	case "tool":
		q.Choice, own["type"], own["name"] = &toolChoice{Tool: &named{c.ToolChoiceName}}, "tool", c.ToolChoiceName
	default:
		b.lose(llm.FieldToolChoice, "Bedrock's are auto, any and tool")
		if c.ToolChoice == "none" && !b.ids.seen {
			b.withoutTools(c.Tools) // where that is not refused: none is nearer to it than any
			return
		}
	}
	b.out.Tools = &q
	if !c.ParallelToolCalls.Set || c.ParallelToolCalls.V {
		return
	}
	if b.family != claude {
		b.lose(llm.FieldParallel, "Bedrock's Converse API has it for models of Anthropic only, which the model's id has to name")
		return
	}
	own["disable_parallel_tool_use"] = true
	b.modelField("tool_choice", own)
}

// withoutTools tells what goes with tools that are left out.
func (b *builder) withoutTools(tools []llm.Tool) {
	const why = "none of them is to be called"
	b.lose(llm.FieldTools, why)
	for i := range tools {
		t := &tools[i]
		if t.Strict.V {
			b.lose(llm.FieldStrict, why)
		}
		if t.Cache != "" {
			b.lose(llm.FieldCache, why)
		}
	}
}

// cache is a mark, as Part.Cache says it; nil when there is none.
func (b *builder) cache(ttl string) *cachePoint {
	switch ttl {
	case "":
		return nil
	case "default":
		return &cachePoint{Type: "default"}
	case "5m", "1h":
		return &cachePoint{Type: "default", TTL: ttl}
	}
	b.lose(llm.FieldCache, "Bedrock caches for 5m or 1h")
	return nil
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
	if len(b.out.Messages) == 0 {
		b.fail(refuse("messages", "messages: at least one message of the user with content is needed"))
	}
}

func (b *builder) turn(role string, blocks []block) {
	q := &b.out
	switch n := len(q.Messages); {
	case len(blocks) == 0:
	case n > 0 && q.Messages[n-1].Role == role:
		q.Messages[n-1].Content = mergeTurn(q.Messages[n-1].Content, blocks)
	default:
		q.Messages = append(q.Messages, message{Role: role, Content: blocks})
	}
}

// mergeTurn appends more to a turn. Results of tools, which have to come first in it, go before the texts of the turn, with the
// marks that stand behind them.
func mergeTurn(turn, more []block) []block {
	n := 0
	for n < len(more) && (more[n].ToolResult != nil || n > 0 && more[n].CachePoint != nil) {
		n++
	}
	at := 0
	for at < len(turn) && (turn[at].ToolResult != nil || at > 0 && turn[at].CachePoint != nil) {
		at++
	}
	return append(slices.Insert(turn, at, more[:n]...), more[n:]...)
}

func (b *builder) system(parts []llm.Part) {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case llm.PartText:
			b.out.System = b.text(b.out.System, p)
		case llm.PartFile: // Check has told
		default:
			b.lose(llm.FieldSystem, "Bedrock's system prompts are text alone")
		}
	}
}

// text appends the text of p, unless it is blank, which Bedrock refuses, and its mark.
func (b *builder) text(dst []block, p *llm.Part) []block {
	if strings.TrimSpace(p.Text) != "" {
		return b.marked(append(dst, block{Text: &p.Text}), p)
	}
	if p.Cache != "" {
		b.lose(llm.FieldCache, "Bedrock takes no blank text, so none can be marked")
	}
	return dst
}

// marked appends the mark that stands behind p, which is the last block.
func (b *builder) marked(dst []block, p *llm.Part) []block {
	if mark := b.cache(p.Cache); mark != nil {
		dst = append(dst, block{CachePoint: mark})
	}
	return dst
}
