package bedrock

import (
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// The body of InvokeModel is the model's own (user guide, "Inference request parameters and response fields for foundation
// models"). Which it is, its members tell: the id of the model may be the ARN of a profile, and says less.

// shape is what a request body is made of.
type shape uint8

const (
	shapeOther    shape = iota
	shapePrompt         // prompt, of Claude 2, Llama, Mistral, Command, Jurassic; inputText, of Titan's text models
	shapeMessages       // messages as in Anthropic's, Nova's or OpenAI's API; message, of Command R
	shapeEmbed          // inputText, texts, inputs or taskType
	shapeRerank         // query and documents
	shapeImage          // text_prompts, or taskType of Titan's and Nova's image models
)

// traits are the members of a body that tell its shape.
type traits struct {
	messages, message, prompt, inputText, texts, images, query, documents, textPrompts bool
	embeds                                                                             bool // a member that only embeddings have
	task                                                                               string
}

// shape is the shape of a body with the traits t for model.
func (t *traits) shape(model string) shape {
	switch {
	case t.embeds || strings.Contains(t.task, "EMBEDDING"):
		return shapeEmbed
	case t.messages || t.message:
		return shapeMessages
	case t.prompt && !t.textPrompts:
		return shapePrompt
	case t.query && t.documents:
		return shapeRerank
	case t.texts || t.inputText && strings.Contains(model, "embed"):
		return shapeEmbed
	case t.inputText:
		return shapePrompt
	case t.textPrompts || t.task != "":
		return shapeImage
	case t.images && strings.Contains(model, "embed"):
		return shapeEmbed
	}
	return shapeOther
}

// op is the operation of a body of shape s. What is of no known shape is taken for a conversation.
func (s shape) op() llm.Op {
	switch s {
	case shapePrompt:
		return llm.OpTextCompletion
	case shapeEmbed:
		return llm.OpEmbeddings
	case shapeRerank:
		return llm.OpRerank
	case shapeImage:
		return llm.OpGenerateContent
	}
	return llm.OpChat
}

// parseInvoke scans the body of an InvokeModel request for model. A member of the wrong type counts as absent: the provider is
// the one to refuse it.
func parseInvoke(model string, body []byte) (*llm.Request, error) {
	var t traits
	var p llm.Params
	it := jsonscan.Object(body)
	for it.Next() {
		key, v := it.Key(), it.Value()
		if !t.note(key, v) {
			parameter(&p, string(key), v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	if p.ChoiceCount.V == 1 {
		p.ChoiceCount = llm.Opt[int64]{}
	}
	s := t.shape(model)
	r := llm.NewRequest(llm.BedrockInvoke, llm.Bedrock, s.op(), body, invokeCodec{s})
	r.Params = p
	return r, nil
}

// note notes a member that tells the shape; ok is false for one that does not.
func (t *traits) note(key, v []byte) (ok bool) {
	switch string(key) {
	case "messages":
		t.messages = true
	case "message":
		t.message = true
	case "prompt":
		t.prompt = true
	case "inputText":
		t.inputText = true
	case "texts", "inputs":
		t.texts = true
	case "images":
		t.images = true
	case "query", "queries":
		t.query = true
	case "documents", "sources":
		t.documents = true
	case "text_prompts":
		t.textPrompts = true
	case "taskType":
		t.task = jsonscan.String(v)
	case "normalize", "inputImage", "input_type", "singleEmbeddingParams", "segmentedEmbeddingParams":
		t.embeds = true
		return string(key) == "normalize" || string(key) == "inputImage" || string(key) == "input_type"
	case "dimensions", "embeddingTypes", "embeddingConfig", "embedding_types", "output_dimension":
		t.embeds = true
		return false
	default:
		return false
	}
	return true
}

// parameter reads one parameter, by the names that the models have for it; a null says nothing, whatever its name.
func parameter(p *llm.Params, key string, v []byte) {
	if jsonscan.IsNull(v) {
		return
	}
	switch key {
	case "temperature":
		dialect.SetFloat(&p.Temperature, v)
	case "top_p", "topP", "p":
		dialect.SetFloat(&p.TopP, v)
	case "top_k", "topK", "k":
		dialect.SetFloat(&p.TopK, v)
	case "max_completion_tokens":
		dialect.SetInt(&p.MaxTokens, v)
	case "max_tokens", "maxTokens", "max_new_tokens", "max_gen_len", "max_tokens_to_sample", "maxTokenCount":
		if !p.MaxTokens.Set {
			dialect.SetInt(&p.MaxTokens, v)
		}
	case "stop", "stop_sequences", "stopSequences":
		p.Stop = jsonscan.Strings(v)
	case "frequency_penalty", "frequencyPenalty":
		dialect.SetFloat(&p.FrequencyPenalty, scale(v))
	case "presence_penalty", "presencePenalty":
		dialect.SetFloat(&p.PresencePenalty, scale(v))
	case "seed", "random_seed":
		dialect.SetInt(&p.Seed, v)
	case "n", "num_generations", "numResults":
		dialect.SetInt(&p.ChoiceCount, v)
	case "dimensions", "output_dimension", "outputEmbeddingLength", "embeddingDimension":
		dialect.SetInt(&p.Dimensions, v)
	case "embeddingTypes", "embedding_types":
		p.EncodingFormats = jsonscan.Strings(v)
	case "reasoning_effort", "maxReasoningEffort":
		p.ReasoningLevel = jsonscan.String(v)
	case "service_tier":
		if p.ServiceTier = jsonscan.String(v); p.ServiceTier == "auto" {
			p.ServiceTier = ""
		}
	case "response_format", "output_format":
		switch jsonscan.String(member(v, "type")) {
		case "json_object", "json_schema":
			p.OutputType = "json"
		case "text":
			p.OutputType = "text"
		}
	case "textGenerationConfig", "inferenceConfig", "embeddingConfig", "singleEmbeddingParams", "segmentedEmbeddingParams", "reasoningConfig":
		if jsonscan.KindOf(v) == jsonscan.Dict {
			for it := jsonscan.Object(v); it.Next(); {
				parameter(p, string(it.Key()), it.Value())
			}
		}
	case "output_config":
		parameter(p, "reasoning_effort", member(v, "effort"))
		parameter(p, "response_format", member(v, "format"))
	}
}

// scale is the number of one of Jurassic's penalties, which are objects, or v itself.
func scale(v []byte) []byte {
	if s := member(v, "scale"); s != nil {
		return s
	}
	return v
}

// invokeCodec reads requests of InvokeModel.
type invokeCodec struct{ shape shape }

// invokeNames are the words of Anthropic's, OpenAI's and Cohere's bodies where they are not the neutral ones.
var invokeNames = dialect.Names{llm.FieldStop: "stop_sequences", llm.FieldInput: "inputText", llm.FieldEncoding: "embeddingTypes"}

// Field implements llm.Codec.
func (invokeCodec) Field(f llm.Field) string { return invokeNames.Of(f) }
