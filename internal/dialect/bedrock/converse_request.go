package bedrock

import (
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// parseConverse scans the body of a Converse or ConverseStream request (API reference, Converse). A member of the wrong type
// counts as absent: the provider is the one to refuse it.
func parseConverse(body []byte) (*llm.Request, error) {
	r := llm.NewRequest(llm.BedrockConverse, llm.Bedrock, llm.OpChat, body, converseCodec{})
	it := jsonscan.Object(body)
	for it.Next() {
		switch v := it.Value(); string(it.Key()) {
		case "inferenceConfig":
			inferenceConfig(&r.Params, v)
		case "outputConfig":
			outputConfig(&r.Params, v)
		case "additionalModelRequestFields":
			modelFields(&r.Params, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return r, nil
}

// inferenceConfig reads the parameters that all models share (API reference, InferenceConfiguration).
func inferenceConfig(p *llm.Params, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "maxTokens":
			dialect.SetInt(&p.MaxTokens, v)
		case "temperature":
			dialect.SetFloat(&p.Temperature, v)
		case "topP":
			dialect.SetFloat(&p.TopP, v)
		case "stopSequences":
			p.Stop = jsonscan.Strings(v)
		}
	}
}

// outputConfig reads the format of the answer and the effort (API reference, OutputConfig).
func outputConfig(p *llm.Params, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "effort":
			p.ReasoningLevel = jsonscan.String(v)
		case "textFormat":
			if jsonscan.String(jsonscan.Get(v, "type")) == "json_schema" {
				p.OutputType = "json"
			}
		}
	}
}

// modelFields reads what of a model's own parameters has a neutral form: Anthropic's and Cohere's top_k and k, Nova's
// inferenceConfig.topK, OpenAI's reasoning_effort, Anthropic's output_config.effort, Nova's reasoningConfig (user guide,
// "Inference request parameters and response fields for foundation models").
func modelFields(p *llm.Params, v []byte) {
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "top_k", "topK", "k":
			dialect.SetFloat(&p.TopK, v)
		case "inferenceConfig":
			dialect.SetFloat(&p.TopK, jsonscan.Get(v, "topK"))
		case "reasoning_effort":
			p.ReasoningLevel = jsonscan.String(v)
		case "output_config":
			p.ReasoningLevel = jsonscan.String(jsonscan.Get(v, "effort"))
		case "reasoningConfig":
			p.ReasoningLevel = jsonscan.String(jsonscan.Get(v, "maxReasoningEffort"))
		}
	}
}

// malformed is the client's error for a body that is not the JSON of the API.
func malformed(err error) *llm.Error {
	return llm.Errorf(http.StatusBadRequest, "ValidationException", "The request body is not a JSON object: %v.", err)
}
