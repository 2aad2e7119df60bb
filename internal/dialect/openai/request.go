package openai

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// ParseRequest implements llm.Inbound. A member of a type that the API does not have is left for the provider to refuse.
func (Dialect) ParseRequest(api llm.API, h *llm.Head, body []byte) (*llm.Request, error) {
	op, c := operation(api)
	r := llm.NewRequest(api, llm.OpenAI, op, body, c)
	p := parser{r: r}
	it := jsonscan.Object(body)
	for it.Next() {
		if v := it.Value(); !jsonscan.IsNull(v) {
			p.member(it.Key(), v, it.At())
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(body, err)
	}
	p.finish(h)
	return r, nil
}

// Codec reads request bodies of api, for dialects whose formats are OpenAI's with differences: what it edits of the text of
// theirs is all that they have.
func Codec(api llm.API) llm.Codec {
	_, c := operation(api)
	return c
}

// operation is the operation and the codec of an API.
func operation(api llm.API) (llm.Op, llm.Codec) {
	switch api {
	case llm.OpenAICompletions:
		return llm.OpTextCompletion, promptCodec{"prompt"}
	case llm.OpenAIEmbeddings:
		return llm.OpEmbeddings, promptCodec{"input"}
	case llm.OpenAIImages:
		return llm.OpGenerateContent, promptCodec{"prompt"}
	case llm.OpenAIResponses:
		return llm.OpChat, responsesCodec{}
	}
	return llm.OpChat, chatCodec{}
}

func malformed(body []byte, err error) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, invalidRequest, "The request body is not a JSON object: %v.", err)
	if len(bytes.TrimSpace(body)) == 0 {
		e.Message = "The request body is empty: expected a JSON object."
	}
	e.Err = err
	return e
}

// parser collects the members of one request.
type parser struct {
	r            *llm.Request
	includeUsage bool
	// maxCompletion is max_completion_tokens or max_output_tokens, which win over max_tokens.
	maxCompletion llm.Opt[int64]
	effort        string // reasoning.effort, over which reasoning_effort wins
}

func (p *parser) member(key, v []byte, at [2]int) {
	s := &p.r.Params
	switch string(key) {
	case "model":
		if p.r.Model = jsonscan.String(v); p.r.Model != "" {
			p.r.ModelAt = at
		}
	case "stream":
		p.r.Stream = jsonscan.Bool(v)
	case "stream_options":
		p.includeUsage = jsonscan.Bool(jsonscan.Get(v, "include_usage"))
	case "temperature":
		dialect.SetFloat(&s.Temperature, v)
	case "top_p":
		dialect.SetFloat(&s.TopP, v)
	case "top_k":
		dialect.SetFloat(&s.TopK, v)
	case "frequency_penalty":
		dialect.SetFloat(&s.FrequencyPenalty, v)
	case "presence_penalty":
		dialect.SetFloat(&s.PresencePenalty, v)
	case "max_tokens":
		dialect.SetInt(&s.MaxTokens, v)
	case "max_completion_tokens", "max_output_tokens":
		dialect.SetInt(&p.maxCompletion, v)
	case "seed", "random_seed": // the latter is Mistral's
		dialect.SetInt(&s.Seed, v)
	case "n":
		dialect.SetInt(&s.ChoiceCount, v)
	case "stop":
		s.Stop = jsonscan.Strings(v)
	default:
		p.labels(key, v)
	}
}

// labels reads the members that are words rather than numbers.
func (p *parser) labels(key, v []byte) {
	s := &p.r.Params
	switch string(key) {
	case "response_format":
		s.OutputType = outputType(jsonscan.Get(v, "type"))
	case "text":
		s.OutputType = outputType(jsonscan.Get(v, "format", "type"))
	case "reasoning_effort":
		s.ReasoningLevel = jsonscan.String(v)
	case "reasoning":
		p.effort = jsonscan.String(jsonscan.Get(v, "effort"))
	case "service_tier":
		if s.ServiceTier = jsonscan.String(v); s.ServiceTier == "auto" {
			s.ServiceTier = ""
		}
	case "conversation":
		if s.ConversationID = jsonscan.String(v); s.ConversationID == "" {
			s.ConversationID = jsonscan.String(jsonscan.Get(v, "id"))
		}
	case "previous_response_id":
		s.PreviousResponseID = jsonscan.String(v)
	case "dimensions", "output_dimension": // the latter is Voyage's and Mistral's
		dialect.SetInt(&s.Dimensions, v)
	case "encoding_format":
		s.EncodingFormats = jsonscan.Strings(v)
	}
}

func (p *parser) finish(h *llm.Head) {
	s := &p.r.Params
	if p.maxCompletion.Set {
		s.MaxTokens = p.maxCompletion
	}
	if s.ReasoningLevel == "" {
		s.ReasoningLevel = p.effort
	}
	if s.ChoiceCount.V == 1 {
		s.ChoiceCount = llm.Opt[int64]{}
	}
	if p.r.API == llm.OpenAIImages {
		s.OutputType = "image"
	}
	if p.r.Model == "" {
		p.r.Model = deployment(h.Path)
	}
	p.r.StreamUsage = p.r.Stream && (p.includeUsage || p.r.API == llm.OpenAIResponses)
}

// outputType is gen_ai.output.type of a format's type.
func outputType(v []byte) string {
	switch t := jsonscan.String(v); t {
	case "json_object", "json_schema":
		return "json"
	case "text":
		return t
	}
	return ""
}

// deployment is the deployment of an Azure path (Azure OpenAI REST reference, data plane: /openai/deployments/{id}/…).
func deployment(path string) string {
	_, rest, ok := strings.Cut(path, "/deployments/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	if s, err := url.PathUnescape(id); err == nil {
		return s
	}
	return id
}
