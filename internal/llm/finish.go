package llm

import "strings"

// Finish is why a choice ended, in neutral terms.
type Finish uint8

// The reasons.
const (
	FinishStop   Finish = iota // the model was done, or said a stop sequence
	FinishLength               // a limit of tokens, or the end of the context
	FinishTools                // it calls tools
	FinishFilter               // a filter or a guardrail stepped in, or the model refused
	FinishOther                // none of these
)

// finishes are the providers' words in lower case: OpenAI (finish_reason; of Responses, status and incomplete_details),
// Anthropic (stop_reason), Gemini (FinishReason), Bedrock (StopReason, and the words of InvokeModel's models), Cohere
// (finish_reason), Mistral, Ollama (done_reason).
var finishes = map[string]Finish{
	"stop": FinishStop, "end_turn": FinishStop, "stop_sequence": FinishStop, "complete": FinishStop, "completed": FinishStop,
	"finish": FinishStop, "finished": FinishStop, "endoftext": FinishStop, "eos_token": FinishStop,
	"length": FinishLength, "max_tokens": FinishLength, "max_output_tokens": FinishLength, "model_length": FinishLength,
	"model_context_window_exceeded": FinishLength, "error_limit": FinishLength,
	"tool_calls": FinishTools, "tool_use": FinishTools, "tool_call": FinishTools, "function_call": FinishTools,
	"content_filter": FinishFilter, "content_filtered": FinishFilter, "guardrail_intervened": FinishFilter, "refusal": FinishFilter,
	"safety": FinishFilter, "recitation": FinishFilter, "blocklist": FinishFilter, "prohibited_content": FinishFilter,
	"spii": FinishFilter, "image_safety": FinishFilter, "error_toxic": FinishFilter,
}

// FinishOf is the neutral reason of a provider's word.
func FinishOf(word string) Finish {
	if f, ok := finishes[strings.ToLower(word)]; ok {
		return f
	}
	return FinishOther
}
