package openai

import (
	"bytes"
	"slices"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// maxExtra bounds how many members without a neutral form are told of: as many as llm.Loss keeps.
const maxExtra = 64

// params are the members of chat completions and of Responses that ParseRequest reads, and those that say how the answer is to
// be sent.
var params = []string{
	"model", "stream", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "max_tokens",
	"max_completion_tokens", "max_output_tokens", "seed", "random_seed", "n", "stop", "reasoning_effort", "service_tier", "conversation",
	"previous_response_id",
}

// absent are values that say no more than their absence (API reference, the defaults of "Create chat completion" and "Create a
// model response"). Storing is the default of Responses and cannot be had from another provider; a client that asks for it
// in words asks for no more than one that does not.
var absent = map[string][]string{
	"audio":             {"{}"},
	"background":        {"false"},
	"include":           {"[]"},
	"logit_bias":        {"{}"},
	"metadata":          {"{}"},
	"modalities":        {`["text"]`, "[]"},
	"store":             {"false"},
	"input.store":       {"false", "true"}, // of Responses
	"truncation":        {`"disabled"`},
	"verbosity":         {`"medium"`},
	"text.verbosity":    {`"medium"`},
	"annotations":       {"[]"},
	"input.annotations": {"[]"},
	"user":              {`""`},
}

// extra notes v, which the request has at field, unless it says no more than its absence. Name is its key in absent.
func extra(c *llm.Conversation, name, field string, v []byte) {
	if jsonscan.IsNull(v) || len(c.Extra) >= maxExtra || slices.Contains(absent[name], compact(v)) {
		return
	}
	if !slices.ContainsFunc(c.Extra, func(x llm.Extra) bool { return x.Field == field }) {
		c.Extra = append(c.Extra, llm.Extra{Field: field, Raw: bytes.Clone(v)})
	}
}

// compact is v without white space when it is short enough to be one of absent's values.
func compact(v []byte) string {
	if len(v) > 64 {
		return ""
	}
	return string(bytes.Join(bytes.Fields(v), nil))
}

// rest notes the members of the object v, which the request has at field, but for those that are known.
func rest(c *llm.Conversation, field string, v []byte, known ...string) {
	for it := jsonscan.Object(v); it.Next(); {
		if key := string(it.Key()); !slices.Contains(known, key) {
			extra(c, key, field+"."+key, it.Value())
		}
	}
}
