package anthropic

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// defaultMaxTokens is sent for clients that name no limit, which the Messages API demands.
const defaultMaxTokens = 4096

// maxTemperature is the top of Anthropic's range; OpenAI's goes to 2.
const maxTemperature = 1

// Media types of what the API does not name one for.
const (
	mimeImage = "image/*"
	mimePDF   = "application/pdf"
)

// BuildRequest implements llm.Outbound for OpenAI's chat completions. A seed is left out, since it promises nothing, as are
// service tiers, which are priced per provider, the names of speakers, reasoning that Anthropic has not signed, and empty
// texts, which Anthropic refuses.
func (Dialect) BuildRequest(r *llm.Request, model string, _ *llm.Loss) (llm.API, []byte, error) {
	if r.API != llm.OpenAIChat {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "%s requests cannot be sent to an Anthropic provider", r.API)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	out := &request{Model: model, MaxTokens: defaultMaxTokens, Stream: r.Stream}
	if err := cmp.Or(
		out.params(&r.Params),
		out.output(r.Params.OutputType, c.OutputSchema),
		out.conversation(c),
		out.tools(c),
	); err != nil {
		return "", nil, err
	}
	if c.User != "" {
		out.Metadata = &metadata{UserID: c.User}
	}
	body, err := encode(out)
	return llm.AnthropicMessages, body, err
}

func (q *request) params(p *llm.Params) error {
	switch {
	case p.Temperature.V > maxTemperature:
		return refuse("temperature", "temperature: Anthropic models take 0 to 1, not %v", p.Temperature.V)
	case p.ChoiceCount.V > 1:
		return refuse("n", "n: Anthropic models give one choice, not %d", p.ChoiceCount.V)
	case p.FrequencyPenalty.V != 0:
		return refuse("frequency_penalty", "frequency_penalty: Anthropic models have none")
	case p.PresencePenalty.V != 0:
		return refuse("presence_penalty", "presence_penalty: Anthropic models have none")
	}
	if p.MaxTokens.Set {
		q.MaxTokens = p.MaxTokens.V
	}
	q.Temperature, q.TopP, q.TopK = pointer(p.Temperature), pointer(p.TopP), pointer(p.TopK)
	q.StopSequences = p.Stop
	switch p.ReasoningLevel {
	case "", "none":
	case "minimal":
		q.OutputConfig = &outputConfig{Effort: "low"}
	default:
		q.OutputConfig = &outputConfig{Effort: p.ReasoningLevel}
	}
	return nil
}

func pointer[T any](o llm.Opt[T]) *T {
	if !o.Set {
		return nil
	}
	return &o.V
}

// output asks for an answer that follows schema, the one form of structured output there is.
func (q *request) output(typ string, schema []byte) error {
	switch {
	case typ == "" || typ == "text":
		return nil
	case typ != "json":
		return refuse("modalities", "Anthropic models answer in text, not %s", typ)
	case jsonscan.KindOf(schema) != jsonscan.Dict:
		return refuse("response_format", "response_format: Anthropic models give JSON for a json_schema only")
	}
	if q.OutputConfig == nil {
		q.OutputConfig = new(outputConfig)
	}
	q.OutputConfig.Format = &outputFormat{Type: "json_schema", Schema: schema}
	return nil
}

func (q *request) tools(c *llm.Conversation) error {
	for i, t := range c.Tools {
		if t.Raw != nil {
			return refuseAt("tools", i, "only functions can be sent to an Anthropic provider")
		}
		schema := t.Schema
		if jsonscan.IsNull(schema) {
			schema = []byte(`{"type":"object"}`)
		}
		q.Tools = append(q.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: schema, Strict: t.Strict.V})
	}
	if len(q.Tools) == 0 {
		return nil
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
		return refuse("tool_choice", "tool_choice: %s is unknown", c.ToolChoice)
	}
	choice.DisableParallel = c.ParallelToolCalls.Set && !c.ParallelToolCalls.V && choice.Type != "none"
	if c.ToolChoice != "" || choice.DisableParallel {
		q.ToolChoice = &choice
	}
	return nil
}

// conversation hoists the system's messages and merges what one side says in a row into one turn.
func (q *request) conversation(c *llm.Conversation) error {
	q.System = appendSystem(q.System, c.System)
	for i := range c.Messages {
		m := &c.Messages[i]
		var blocks []block
		var err error
		role := "user"
		switch m.Role {
		case llm.RoleSystem:
			q.System = appendSystem(q.System, m.Parts)
			continue
		case llm.RoleAssistant:
			role = "assistant"
			blocks, err = assistantBlocks(m.Parts, i)
		case llm.RoleTool:
			blocks, err = resultBlocks(m.Parts, i)
		case llm.RoleUser:
			blocks, err = userBlocks(m.Parts, i)
		default:
			err = refuseAt("messages", i, "the role %q is unknown", m.Role)
		}
		switch n := len(q.Messages); {
		case err != nil:
			return err
		case len(blocks) == 0:
		case n > 0 && q.Messages[n-1].Role == role:
			q.Messages[n-1].Content = append(q.Messages[n-1].Content, blocks...)
		default:
			q.Messages = append(q.Messages, message{Role: role, Content: blocks})
		}
	}
	if len(q.Messages) == 0 {
		return refuse("messages", "messages: at least one message of the user with content is needed")
	}
	return nil
}

func appendSystem(dst []block, parts []llm.Part) []block {
	for i := range parts {
		dst = appendText(dst, &parts[i])
	}
	return dst
}

// appendText appends the text of p, unless it is blank, which Anthropic refuses.
func appendText(dst []block, p *llm.Part) []block {
	if strings.TrimSpace(p.Text) == "" {
		return dst
	}
	return append(dst, block{Type: "text", Text: p.Text})
}

func userBlocks(parts []llm.Part, index int) ([]block, error) {
	var out []block
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartText:
			out = appendText(out, p)
		case llm.PartBlob, llm.PartURI:
			b, err := mediaBlock(p, index)
			if err != nil {
				return nil, err
			}
			out = append(out, b)
		default:
			return nil, refuseAt("messages", index, "holds content that cannot be sent to an Anthropic provider")
		}
	}
	return out, nil
}

func assistantBlocks(parts []llm.Part, index int) ([]block, error) {
	var out []block
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			out = appendText(out, p)
		case llm.PartReasoning:
			if p.Signature != "" {
				out = append(out, block{Type: "thinking", Thinking: p.Text, Signature: p.Signature})
			}
		case llm.PartToolCall:
			input, err := dialect.Arguments(p, http.StatusBadRequest)
			if err != nil {
				return nil, refuseAt("messages", index, "the arguments of the tool call %q are not a JSON object", p.Name)
			}
			out = append(out, block{Type: "tool_use", ID: p.ID, Name: p.Name, Input: input})
		default:
			return nil, refuseAt("messages", index, "holds content that an Anthropic model cannot have said")
		}
	}
	return out, nil
}

// resultBlocks joins the parts of one tool's result, which may come as several.
func resultBlocks(parts []llm.Part, index int) ([]block, error) {
	var out []block
	for i := range parts {
		p := &parts[i]
		if p.Kind != llm.PartToolResult {
			return nil, refuseAt("messages", index, "only text can be sent to an Anthropic provider as the result of a tool")
		}
		at := slices.IndexFunc(out, func(b block) bool { return b.ToolUseID == p.ID })
		if at < 0 {
			at = len(out)
			out = append(out, block{Type: "tool_result", ToolUseID: p.ID})
		}
		out[at].Content = appendText(out[at].Content, p)
		out[at].IsError = out[at].IsError || p.IsError
	}
	return out, nil
}

// mediaBlock is an image or a PDF document, by its media type.
func mediaBlock(p *llm.Part, index int) (block, error) {
	b, mime := block{Type: "image"}, p.MIME
	switch {
	case p.Kind == llm.PartBlob:
		b.Source = &source{Type: "base64", MediaType: mime, Data: p.Data}
	case strings.HasPrefix(p.URI, "data:"):
		head, data, _ := strings.Cut(strings.TrimPrefix(p.URI, "data:"), ",")
		var ok bool
		if mime, ok = strings.CutSuffix(head, ";base64"); !ok {
			return b, refuseAt("messages", index, "holds a data: URI that is not base64")
		}
		mime, _, _ = strings.Cut(mime, ";")
		b.Source = &source{Type: "base64", MediaType: mime, Data: data}
	case strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://"):
		b.Source = &source{Type: "url", URL: p.URI}
	default:
		return b, refuseAt("messages", index, "holds an image whose URL is neither http, https nor data")
	}
	switch {
	case strings.HasPrefix(mime, "image/"):
	case mime == mimePDF:
		b.Type = "document"
	default:
		return b, refuseAt("messages", index, "holds content of type %q, which cannot be sent to an Anthropic provider", mime)
	}
	return b, nil
}
