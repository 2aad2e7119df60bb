package ollama

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// provider is what messages to clients call the API.
const provider = "Ollama's API"

// carried are the fields that /api/chat has a place for, some of them with limits that are looked at one by one.
var carried = []llm.Field{
	llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldFrequency, llm.FieldPresence, llm.FieldMaxTokens, llm.FieldSeed,
	llm.FieldStop, llm.FieldLogprobs, llm.FieldTopLogprobs, llm.FieldOutput, llm.FieldSchema, llm.FieldEffort, llm.FieldThinking,
	llm.FieldShowThinking, llm.FieldTools, llm.FieldToolChoice, llm.FieldImage, llm.FieldReasoning,
}

// BuildRequest implements llm.Outbound for conversations and embeddings of other dialects.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if !r.Chats() && r.Op != llm.OpEmbeddings {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to an %s provider.", r.API, llm.Ollama)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, refuse(r.Field(llm.FieldMessages), "The request cannot be read: %v.", err)
	}
	b := builder{r: r, loss: loss, names: map[string]string{}}
	api := llm.OllamaChat
	var body any
	if r.Op == llm.OpEmbeddings {
		api = llm.OllamaEmbed
		body, err = b.embeddings(c, model)
	} else {
		body, err = b.chat(c, model)
	}
	if err != nil {
		return "", nil, err
	}
	out, err := json.Marshal(body)
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return api, out, nil
}

// refuse is the error for a request that is not one.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, badRequest, format, args...)
	e.Param = param
	return e
}

// builder makes one request.
type builder struct {
	r     *llm.Request
	loss  *llm.Loss
	names map[string]string // of the functions, by call id
}

func (b *builder) cannot(f llm.Field, why string) error { return b.loss.Field(b.r, f, why) }

func (b *builder) chat(c *llm.Conversation, model string) (*chatRequest, error) {
	r := b.r
	if err := b.loss.Check(r, c, provider, carried...); err != nil {
		return nil, err
	}
	out := &chatRequest{Model: model, Stream: r.Stream, Logprobs: c.Logprobs, TopLogprobs: c.TopLogprobs.V}
	for _, step := range []func(*chatRequest, *llm.Conversation) error{b.messages, b.tools, b.options, b.think} {
		if err := step(out, c); err != nil {
			return nil, err
		}
	}
	if out.TopLogprobs > 0 {
		out.Logprobs = true
	}
	if c.OutputSchema != nil {
		out.Format = c.OutputSchema
	} else if r.Params.OutputType == "json" {
		out.Format = json.RawMessage(`"json"`)
	}
	return out, nil
}

func (b *builder) options(out *chatRequest, _ *llm.Conversation) error {
	p := &b.r.Params
	topK := p.TopK
	if topK.V != math.Trunc(topK.V) {
		if err := b.cannot(llm.FieldTopK, "Ollama takes a whole number"); err != nil {
			return err
		}
		topK = llm.Opt[float64]{}
	}
	out.Options = modelOptions{
		Temperature: dialect.Pointer(p.Temperature), TopP: dialect.Pointer(p.TopP), TopK: dialect.Pointer(topK),
		NumPredict: dialect.Pointer(p.MaxTokens), Stop: p.Stop, Seed: dialect.Pointer(p.Seed),
		FrequencyPenalty: dialect.Pointer(p.FrequencyPenalty), PresencePenalty: dialect.Pointer(p.PresencePenalty),
	}
	return nil
}

// think translates how much the model is to think. What it thinks is part of the answer whenever it does.
func (b *builder) think(out *chatRequest, c *llm.Conversation) error {
	thinking, level, err := b.loss.Reasoning(b.r, c)
	if err != nil {
		return err
	}
	if c.ShowThinking.Set && !c.ShowThinking.V && thinking != "off" {
		if err := b.cannot(llm.FieldShowThinking, "Ollama shows what a model thinks"); err != nil {
			return err
		}
	}
	if c.ShowThinking.V && thinking == "" && level == "" {
		if err := b.cannot(llm.FieldShowThinking, "Ollama shows what a model thinks, and is asked for it only by having it think"); err != nil {
			return err
		}
	}
	if thinking != "" {
		out.Think = thinking == "on"
	}
	switch level {
	case "":
	case "low", "medium", "high":
		out.Think = level
	default:
		return b.cannot(llm.FieldEffort, "Ollama knows low, medium and high")
	}
	return nil
}

// messages translates the conversation. Each system text and each result of a tool is a message of its own.
func (b *builder) messages(out *chatRequest, c *llm.Conversation) error {
	for i := range c.System {
		if err := b.message(out, &llm.Message{Role: llm.RoleSystem, Parts: c.System[i : i+1]}); err != nil {
			return err
		}
	}
	for i := range c.Messages {
		if err := b.message(out, &c.Messages[i]); err != nil {
			return err
		}
	}
	if len(out.Messages) == 0 {
		return refuse(b.r.Field(llm.FieldMessages), "There has to be a message.")
	}
	return nil
}

func (b *builder) message(out *chatRequest, in *llm.Message) error {
	m := message{Role: string(in.Role)}
	said := false
	for i := range in.Parts {
		p := &in.Parts[i]
		switch {
		case p.Kind == llm.PartToolResult:
			out.Messages = append(out.Messages, message{
				Role: string(llm.RoleTool), Content: p.Text, ToolName: cmp.Or(p.Name, b.names[p.ID]), ToolCallID: p.ID,
			})
		case in.Role == llm.RoleTool: // belongs to the result before it
			if n := len(out.Messages); n > 0 && p.Kind == llm.PartText {
				out.Messages[n-1].Content += p.Text
			}
		default:
			if err := b.add(&m, p); err != nil {
				return err
			}
			said = true
		}
	}
	if said {
		out.Messages = append(out.Messages, m)
	}
	return nil
}

// add puts p into m, unless it is of a kind that has been refused, or may be dropped.
func (b *builder) add(m *message, p *llm.Part) error {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		m.Content += p.Text
	case llm.PartReasoning:
		m.Thinking += p.Text
	case llm.PartBlob:
		if p.MIME == "" || strings.HasPrefix(p.MIME, "image/") {
			m.Images = append(m.Images, p.Data)
		}
	case llm.PartToolCall:
		args, err := dialect.Arguments(p, http.StatusBadRequest)
		if err != nil {
			return err
		}
		b.names[p.ID] = p.Name
		m.ToolCalls = append(m.ToolCalls, toolCall{ID: p.ID, Function: functionCall{Name: p.Name, Arguments: args}})
	}
	return nil
}

// tools translates the tools. Ollama leaves the choice of tools to the model.
func (b *builder) tools(out *chatRequest, c *llm.Conversation) error {
	switch c.ToolChoice {
	case "none":
		if !c.HasFunction() {
			return nil
		}
		if err := b.cannot(llm.FieldToolChoice, "Ollama leaves it to the model whether it calls a tool"); err != nil {
			return err
		}
		return b.cannot(llm.FieldTools, "none of them is to be called")
	case "required", "tool":
		if err := b.cannot(llm.FieldToolChoice, "Ollama leaves it to the model whether it calls a tool"); err != nil {
			return err
		}
	}
	for i := range c.Tools {
		if t := &c.Tools[i]; t.Raw == nil {
			out.Tools = append(out.Tools, tool{Type: "function", Function: function{Name: t.Name, Description: t.Description, Parameters: t.Schema}})
		}
	}
	return nil
}

// embeddings translates a request for embeddings to /api/embed.
func (b *builder) embeddings(c *llm.Conversation, model string) (*embedRequest, error) {
	can := []llm.Field{llm.FieldInput, llm.FieldDimensions}
	if !slices.ContainsFunc(b.r.Params.EncodingFormats, func(f string) bool { return f != "float" && f != "base64" }) {
		can = append(can, llm.FieldEncoding) // the client's dialect writes the numbers as base64
	}
	if err := b.loss.Check(b.r, c, provider, can...); err != nil {
		return nil, err
	}
	texts, err := b.r.InputTexts(c, provider)
	if err != nil {
		return nil, err
	}
	out := &embedRequest{Model: model, Input: texts, Dimensions: dialect.Pointer(b.r.Params.Dimensions)}
	if len(texts) == 1 {
		out.Input = texts[0]
	}
	return out, nil
}
