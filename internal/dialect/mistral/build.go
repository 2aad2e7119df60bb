package mistral

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// provider is what messages call the provider.
const provider = "Mistral"

// maxTemperature is the top of Mistral's range; OpenAI's goes to 2.
const maxTemperature = 1.5

// carried are the fields of a conversation that "Chat completion" has a place for, some of them for certain values only.
var carried = []llm.Field{
	llm.FieldMessages, llm.FieldSystem, llm.FieldTemperature, llm.FieldTopP, llm.FieldFrequency, llm.FieldPresence,
	llm.FieldMaxTokens, llm.FieldSeed, llm.FieldStop, llm.FieldChoices, llm.FieldOutput, llm.FieldSchema, llm.FieldEffort,
	llm.FieldThinking, llm.FieldShowThinking, llm.FieldTools, llm.FieldStrict, llm.FieldToolChoice, llm.FieldParallel,
	llm.FieldImage, llm.FieldImageURL, llm.FieldImageDetail, llm.FieldDocument, llm.FieldDocumentURL, llm.FieldAudio,
	llm.FieldToolResultMedia, llm.FieldReasoning,
}

// BuildRequest implements llm.Outbound: conversations become chat completions, embeddings stay what they are.
func (Dialect) BuildRequest(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if !r.Chats() && r.Op != llm.OpEmbeddings {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to a Mistral provider.", r.API)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	b := builder{r: r, c: c, loss: loss}
	var out any
	api := llm.MistralChat
	if r.Op == llm.OpEmbeddings {
		api = llm.MistralEmbed
		out, err = b.embeddings(model)
	} else {
		out, err = b.chat(model)
	}
	if err != nil {
		return "", nil, err
	}
	body, err := encode(out)
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return api, body, nil
}

// builder translates one request.
type builder struct {
	r    *llm.Request
	c    *llm.Conversation
	loss *llm.Loss
	out  request
	ids  ids
}

func (b *builder) chat(model string) (*request, error) {
	b.out = request{Model: model, Stream: b.r.Stream}
	if err := cmp.Or(b.check(), b.params(), b.reasoning(), b.format(), b.messages(), b.tools()); err != nil {
		return nil, err
	}
	return &b.out, nil
}

// check refuses what Mistral's API has no place for. Of what OpenAI's chat completions alone have, Mistral has the prediction,
// the key of the prompt's cache, and the metadata.
func (b *builder) check() error {
	c := *b.c
	if b.r.API == llm.OpenAIChat {
		c.Extra = slices.Clone(c.Extra)
		c.Extra = slices.DeleteFunc(c.Extra, func(x llm.Extra) bool {
			switch x.Field {
			case "prediction":
				return b.prediction(x.Raw)
			case "prompt_cache_key":
				b.out.PromptCacheKey = x.Raw
			case "metadata":
				b.out.Metadata = x.Raw
			default:
				return false
			}
			return true
		})
	}
	return b.loss.Check(b.r, &c, provider, carried...)
}

func (b *builder) prediction(v []byte) bool {
	if jsonscan.String(jsonscan.Get(v, "type")) != "content" {
		return false
	}
	p := prediction{Type: "content"}
	content := jsonscan.Get(v, "content")
	if jsonscan.KindOf(content) == jsonscan.Text {
		p.Content = jsonscan.String(content)
	}
	for _, e := range elements(content) {
		p.Content += jsonscan.String(jsonscan.Get(e, "text"))
	}
	b.out.Prediction = &p
	return true
}

func (b *builder) params() error {
	p, q := &b.r.Params, &b.out
	q.Temperature, q.TopP, q.MaxTokens, q.Stop = dialect.Pointer(p.Temperature), dialect.Pointer(p.TopP), dialect.Pointer(p.MaxTokens), p.Stop
	q.PresencePenalty, q.FrequencyPenalty = dialect.Pointer(p.PresencePenalty), dialect.Pointer(p.FrequencyPenalty)
	q.RandomSeed, q.N = dialect.Pointer(p.Seed), dialect.Pointer(p.ChoiceCount)
	if p.Temperature.V > maxTemperature {
		if err := b.loss.Field(b.r, llm.FieldTemperature, fmt.Sprintf("Mistral's models take 0 to %v", maxTemperature)); err != nil {
			return err
		}
		q.Temperature = nil
	}
	if p.Seed.V < 0 {
		if err := b.loss.Field(b.r, llm.FieldSeed, "Mistral's seeds are not negative"); err != nil {
			return err
		}
		q.RandomSeed = nil
	}
	return nil
}

// reasoning asks for reasoning as far as the request does. Mistral knows two levels, and always shows what it reasons.
func (b *builder) reasoning() error {
	thinking, level, err := b.loss.Reasoning(b.r, b.c)
	if err != nil {
		return err
	}
	if b.c.ShowThinking.Set && !b.c.ShowThinking.V && thinking != "off" {
		if err := b.loss.Field(b.r, llm.FieldShowThinking, "Mistral's models show their reasoning"); err != nil {
			return err
		}
	}
	if level != "" && level != "high" {
		if err := b.loss.Field(b.r, llm.FieldEffort, "Mistral's models know the levels none and high"); err != nil {
			return err
		}
		level = ""
	}
	switch thinking {
	case "on":
		level = "high"
	case "off":
		level = "none"
	}
	b.out.ReasoningEffort = level
	return nil
}

func (b *builder) format() error {
	switch {
	case b.c.OutputSchema != nil:
		b.out.ResponseFormat = &format{Type: "json_schema", Schema: &schema{
			Name: cmp.Or(b.c.OutputName, "answer"), Schema: b.c.OutputSchema, Strict: dialect.Pointer(b.c.OutputStrict)}}
	case b.r.Params.OutputType == "json":
		b.out.ResponseFormat = &format{Type: "json_object"}
	}
	return nil
}

func (b *builder) tools() error {
	for i := range b.c.Tools {
		t := &b.c.Tools[i]
		if t.Raw != nil {
			continue // dropped, with leave
		}
		f := function{Name: t.Name, Description: t.Description, Parameters: t.Schema, Strict: dialect.Pointer(t.Strict)}
		if f.Parameters == nil {
			f.Parameters = json.RawMessage(`{"type":"object","properties":{}}`) // needed
		}
		b.out.Tools = append(b.out.Tools, tool{Type: "function", Function: f})
	}
	if len(b.out.Tools) == 0 {
		return nil
	}
	switch b.c.ToolChoice {
	case "":
	case "required":
		b.out.ToolChoice = "any"
	case "tool":
		b.out.ToolChoice = tool{Type: "function", Function: function{Name: b.c.ToolChoiceName}}
	default:
		b.out.ToolChoice = b.c.ToolChoice
	}
	b.out.ParallelToolCalls = dialect.Pointer(b.c.ParallelToolCalls)
	return nil
}

func (b *builder) embeddings(model string) (*embedRequest, error) {
	if err := b.loss.Check(b.r, b.c, provider+"'s API for embeddings", llm.FieldInput, llm.FieldDimensions); err != nil {
		return nil, err
	}
	texts, err := b.r.InputTexts(b.c, provider)
	if err != nil {
		return nil, err
	}
	return &embedRequest{Model: model, Input: texts, Dimension: dialect.Pointer(b.r.Params.Dimensions)}, nil
}
