package mistral

import (
	"bytes"
	"net/http"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// codec reads the request bodies of one API.
type codec struct {
	api    llm.API
	member func(c *llm.Conversation, key string, v []byte)
}

func codecOf(api llm.API) llm.Codec {
	switch api {
	case llm.MistralEmbed:
		return codec{api, embedMember}
	case llm.MistralFIM:
		return codec{api, fimMember}
	}
	return codec{api, chatMember}
}

// Field implements llm.Codec.
func (codec) Field(f llm.Field) string { return names.Of(f) }

// EditText implements llm.Codec.
func (c codec) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	asked, _ := alike(c.api)
	return openai.Codec(asked).EditText(body, edit)
}

// Conversation implements llm.Codec.
func (c codec) Conversation(body []byte) (*llm.Conversation, error) {
	out := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		if v := it.Value(); !jsonscan.IsNull(v) {
			c.member(out, string(it.Key()), v)
		}
	}
	if err := it.Err(); err != nil {
		e := llm.Errorf(http.StatusBadRequest, invalidRequest, "The request body is not a JSON object: %v.", err)
		e.Err = err
		return nil, e
	}
	return out, nil
}

// known reports whether a member of every API is read by ParseRequest, or says no more than its absence does.
func known(key string, v []byte) bool {
	switch key {
	case "model", "stream", "temperature", "top_p", "max_tokens", "stop", "random_seed",
		"seed", "max_completion_tokens", "service_tier", "stream_options": // of OpenAI's clients
		return true
	case "store", "safe_prompt":
		return !jsonscan.Bool(v)
	}
	return false
}

func extra(c *llm.Conversation, field string, v []byte) {
	c.Extra = append(c.Extra, llm.Extra{Field: field, Raw: bytes.Clone(v)})
}

// fimMember reads a member of "FIM completion". What is to stand before the completion and what after it are what the user says.
func fimMember(c *llm.Conversation, key string, v []byte) {
	switch {
	case key == "prompt" || key == "suffix":
		if len(c.Messages) == 0 {
			c.Messages = []llm.Message{{Role: llm.RoleUser}}
		}
		c.Messages[0].Parts = append(c.Messages[0].Parts, llm.Part{Text: jsonscan.String(v)})
	case !known(key, v):
		extra(c, key, v)
	}
}

// embedMember reads a member of "Embeddings".
func embedMember(c *llm.Conversation, key string, v []byte) {
	switch key {
	case "input":
		for _, s := range jsonscan.Strings(v) {
			c.Inputs = append(c.Inputs, []llm.Part{{Text: s}})
		}
		if !jsonscan.OnlyStrings(v) && !jsonscan.IsNull(v) {
			extra(c, key, v)
		}
	case "user":
		c.User = jsonscan.String(v)
	case "output_dimension", "dimensions", "encoding_format":
	case "output_dtype":
		if jsonscan.String(v) != "float" {
			extra(c, key, v)
		}
	default:
		if !known(key, v) {
			extra(c, key, v)
		}
	}
}

// chatMember reads a member of "Chat completion", and those that OpenAI's clients send.
func chatMember(c *llm.Conversation, key string, v []byte) {
	switch key {
	case "messages":
		for _, m := range elements(v) {
			c.Messages = append(c.Messages, messageOf(c, m))
		}
	case "tools":
		for _, t := range elements(v) {
			c.Tools = append(c.Tools, toolOf(t))
		}
	case "tool_choice":
		toolChoice(c, v)
	case "parallel_tool_calls":
		c.ParallelToolCalls = llm.Some(jsonscan.Bool(v))
	case "response_format":
		responseFormat(c, v)
	case "prompt_mode":
		if jsonscan.String(v) != "reasoning" {
			extra(c, key, v)
			return
		}
		c.Thinking = "on"
	case "user":
		c.User = jsonscan.String(v)
	case "logprobs":
		c.Logprobs = jsonscan.Bool(v)
	case "top_logprobs":
		if n, ok := jsonscan.Int(v); ok {
			c.TopLogprobs = llm.Some(n)
		}
	case "n", "presence_penalty", "frequency_penalty", "reasoning_effort", "top_k":
	default:
		if !known(key, v) {
			extra(c, key, v)
		}
	}
}

func responseFormat(c *llm.Conversation, v []byte) {
	switch jsonscan.String(jsonscan.Get(v, "type")) {
	case "text", "json_object":
	case "json_schema":
		for it := jsonscan.Object(jsonscan.Get(v, "json_schema")); it.Next(); {
			switch v := it.Value(); {
			case jsonscan.IsNull(v):
			case string(it.Key()) == "name":
				c.OutputName = jsonscan.String(v)
			case string(it.Key()) == "schema":
				c.OutputSchema = bytes.Clone(v)
			case string(it.Key()) == "strict":
				c.OutputStrict = llm.Some(jsonscan.Bool(v))
			default:
				extra(c, "response_format.json_schema."+string(it.Key()), v)
			}
		}
	default:
		extra(c, "response_format", v)
	}
}

func toolChoice(c *llm.Conversation, v []byte) {
	if name := jsonscan.String(jsonscan.Get(v, "function", "name")); name != "" {
		c.ToolChoice, c.ToolChoiceName = "tool", name
		return
	}
	if c.ToolChoice = jsonscan.String(v); c.ToolChoice == "any" {
		c.ToolChoice = "required"
	}
}

// toolOf decodes a tool. The type of a function may be left out.
func toolOf(v []byte) llm.Tool {
	typ, f := jsonscan.String(jsonscan.Get(v, "type")), jsonscan.Get(v, "function")
	if f == nil || typ != "" && typ != "function" {
		return llm.Tool{Name: typ, Raw: bytes.Clone(v)}
	}
	var t llm.Tool
	for it := jsonscan.Object(f); it.Next(); {
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch string(it.Key()) {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			t.Schema = bytes.Clone(v)
		case "strict":
			t.Strict = llm.Some(jsonscan.Bool(v))
		}
	}
	return t
}

// elements is the raw elements of an array, nil for what is none.
func elements(v []byte) [][]byte {
	if jsonscan.KindOf(v) != jsonscan.List {
		return nil
	}
	var out [][]byte
	for it := jsonscan.Array(v); it.Next(); {
		out = append(out, it.Value())
	}
	return out
}
