package llm

import (
	"net/http"
	"slices"
	"strings"
)

// Field is a member of a request in neutral terms, by the name that OpenAI's chat completions have for it where they have one.
type Field string

// The fields, and what of a Request or a Conversation each stands for where the name does not tell.
const (
	FieldMessages        Field = "messages"
	FieldSystem          Field = "system"
	FieldTemperature     Field = "temperature"
	FieldTopP            Field = "top_p"
	FieldTopK            Field = "top_k"
	FieldFrequency       Field = "frequency_penalty"
	FieldPresence        Field = "presence_penalty"
	FieldMaxTokens       Field = "max_tokens"
	FieldSeed            Field = "seed"
	FieldStop            Field = "stop"
	FieldChoices         Field = "n" // more than one
	FieldLogprobs        Field = "logprobs"
	FieldTopLogprobs     Field = "top_logprobs"
	FieldOutput          Field = "response_format"             // JSON without a schema
	FieldSchema          Field = "response_format.json_schema" // JSON with one
	FieldModalities      Field = "modalities"                  // output other than text
	FieldEffort          Field = "reasoning_effort"
	FieldThinking        Field = "thinking" // on or off
	FieldThinkingBudget  Field = "thinking.budget_tokens"
	FieldShowThinking    Field = "thinking.display"
	FieldServiceTier     Field = "service_tier"
	FieldConversation    Field = "conversation"
	FieldPrevious        Field = "previous_response_id"
	FieldUser            Field = "user"
	FieldTools           Field = "tools"
	FieldServerTools     Field = "tools.type" // tools that are not functions
	FieldStrict          Field = "tools.strict"
	FieldToolChoice      Field = "tool_choice"         // other than the model's own choice
	FieldParallel        Field = "parallel_tool_calls" // false
	FieldCache           Field = "cache_control"
	FieldImage           Field = "messages.image" // as base64
	FieldImageURL        Field = "messages.image_url"
	FieldImageDetail     Field = "messages.image_url.detail" // other than auto
	FieldDocument        Field = "messages.document"         // as base64
	FieldDocumentURL     Field = "messages.document_url"
	FieldAudio           Field = "messages.audio"
	FieldFile            Field = "messages.file"                // the id of an uploaded one
	FieldToolResultMedia Field = "messages.tool_result.content" // other than text
	FieldToolResultError Field = "messages.tool_result.is_error"
	FieldReasoning       Field = "messages.reasoning" // of an earlier turn
	FieldSignature       Field = "messages.reasoning.signature"
	FieldName            Field = "messages.name"
	FieldContent         Field = "messages.content" // of a kind that is none of the above
	FieldInput           Field = "input"            // of embeddings
	FieldInputType       Field = "input_type"
	FieldDimensions      Field = "dimensions"
	FieldEncoding        Field = "encoding_format" // other than float, and base64, which writes the same numbers
)

// maxDropped bounds Loss.Dropped.
const maxDropped = 64

// Loss is what a translation cannot carry. The zero value refuses it. It belongs to one goroutine at a time.
type Loss struct {
	// Allow drops what of a request cannot be carried, in place of refusing the request.
	Allow bool
	// Dropped names what was dropped, each once and at most 64, in the words of the client's API; what of a response, after
	// "response.".
	Dropped []string
}

// Field tells that the provider cannot be given f, which r sets, and why. It fails with an *Error of status 400 that names f
// in the words of r's API, unless losses are allowed.
func (l *Loss) Field(r *Request, f Field, why string) error { return l.Extra(r.Field(f), why) }

// Extra is Field for a member that only the client's API has.
func (l *Loss) Extra(field, why string) error {
	if l.Allow {
		l.note(field)
		return nil
	}
	e := Errorf(http.StatusBadRequest, "invalid_request_error",
		`%s: %s. Leave it out, or have it dropped with "lossy: allow" on the route.`, field, strings.TrimSuffix(why, "."))
	e.Param = field
	return e
}

// Lost notes that the client's dialect has no place for a part of the response, such as "logprobs". Nothing fails: an answer
// that has been paid for is worth more than what it lacks.
func (l *Loss) Lost(what string) { l.note("response." + what) }

func (l *Loss) note(s string) {
	if len(l.Dropped) < maxDropped && !slices.Contains(l.Dropped, s) {
		l.Dropped = append(l.Dropped, s)
	}
}

// Check tells Field of every field that r and c set and that is not among can, and Extra of all of c's. A value that says no
// more than its absence does (one choice, a penalty of 0, tools used as the model likes) is not set. How tools are to be used
// goes with the last function, whatever can holds. Inputs of embeddings that have no neutral form are refused whatever is
// allowed. provider is for the message: "Anthropic", "Bedrock's Converse API".
func (l *Loss) Check(r *Request, c *Conversation, provider string, can ...Field) error {
	set := r.set(c)
	for _, f := range set {
		if slices.Contains(can, f) {
			continue
		}
		if err := l.Field(r, f, provider+" has nothing like it"); err != nil {
			return err
		}
	}
	for _, f := range []Field{FieldToolChoice, FieldParallel} {
		if c.HasFunction() || !slices.Contains(set, f) {
			continue
		}
		if err := l.Field(r, f, "there is no function to call"); err != nil {
			return err
		}
	}
	for _, x := range c.Extra {
		if r.Op == OpEmbeddings && x.Field == r.Field(FieldInput) {
			return r.InputRefused(provider + " takes texts here, not tokens")
		}
		if err := l.Extra(x.Field, provider+" has nothing like it"); err != nil {
			return err
		}
	}
	return nil
}

// Reasoning is how much r and c have the model reason, for providers that are told one of it: whether, or how much. thinking is
// "on", "off" or "" as in a Conversation, and level an effort that is not none, in lower case. An effort of none turns reasoning
// off. What says otherwise than c.Thinking is told Field: an effort, and a budget of what is off, which a builder has to leave
// out.
func (l *Loss) Reasoning(r *Request, c *Conversation) (thinking, level string, err error) {
	thinking, level = c.Thinking, r.Params.Effort()
	if level == "none" {
		level = ""
		switch thinking {
		case "":
			thinking = "off"
		case "on":
			err = l.Field(r, FieldEffort, "reasoning is turned on")
		}
	}
	if thinking == "off" && level != "" {
		level, err = "", l.Field(r, FieldEffort, "reasoning is turned off")
	}
	if err == nil && thinking == "off" && c.ThinkingBudget.V > 0 {
		err = l.Field(r, FieldThinkingBudget, "reasoning is turned off")
	}
	return thinking, level, err
}
