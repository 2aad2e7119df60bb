package anthropic

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// messagesCodec reads requests of the Messages API.
type messagesCodec struct{}

// completeCodec reads requests of the Text Completions API.
type completeCodec struct{}

// Conversation implements llm.Codec: the prompt is one message of the user.
func (completeCodec) Conversation(body []byte) (*llm.Conversation, error) {
	c := new(llm.Conversation)
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key()) {
		case "prompt":
			c.Messages = []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(it.Value())}}}}
		case "metadata":
			c.User = jsonscan.String(jsonscan.Get(it.Value(), "user_id"))
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return c, nil
}

// Conversation implements llm.Codec. The results of tools, which the API has the user send, become messages of their own
// with the role tool. Thinking that is adaptive is on without a budget.
func (messagesCodec) Conversation(body []byte) (*llm.Conversation, error) {
	d := bodyReader{new(llm.Conversation)}
	it := jsonscan.Object(body)
	for it.Next() {
		if err := d.member(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return d.c, nil
}

// bodyReader reads the body of POST /v1/messages (API reference, Messages) into c.
type bodyReader struct{ c *llm.Conversation }

// member reads one member of the body. Those that llm.Params has are left out, as is the version that Bedrock and Vertex AI
// take in the body.
func (d bodyReader) member(name string, v []byte) (err error) {
	c := d.c
	switch name {
	case "model", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "service_tier", "stream", "anthropic_version":
	case "system":
		c.System, err = d.content(nil, v, "system")
	case "messages":
		err = d.messages(v)
	case "tools":
		err = d.tools(v)
	case "tool_choice":
		d.toolChoice(v)
	case "thinking":
		d.thinking(v)
	case "metadata":
		d.object(name, v, func(key string, v []byte) bool {
			if key == "user_id" {
				c.User = jsonscan.String(v)
			}
			return key == "user_id"
		})
	case "output_config":
		d.object(name, v, func(key string, v []byte) bool {
			if key == "format" {
				d.format(name+".format", v)
			}
			return key == "format" || key == "effort"
		})
	case "output_format": // the beta's name
		d.format(name, v)
	case "speed":
		if string(word(v)) != "standard" {
			d.extra(name, v)
		}
	default:
		d.extra(name, v)
	}
	return err
}

// extra keeps a member that has no neutral form. One that is null says nothing.
func (d bodyReader) extra(field string, v []byte) {
	if !jsonscan.IsNull(v) {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: field, Raw: v})
	}
}

// object offers the members of the object v to known; those that it does not know are extra.
func (d bodyReader) object(field string, v []byte, known func(key string, v []byte) bool) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		d.extra(field, v)
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		if key := string(it.Key()); !known(key, it.Value()) {
			d.extra(field+"."+key, it.Value())
		}
	}
}

func (d bodyReader) format(field string, v []byte) {
	d.object(field, v, func(key string, v []byte) bool {
		switch {
		case key == "schema" && !jsonscan.IsNull(v):
			d.c.OutputSchema = v
		case key == "name":
			d.c.OutputName = jsonscan.String(v)
		}
		return key == "type" || key == "schema" || key == "name"
	})
}

func (d bodyReader) thinking(v []byte) {
	c := d.c
	d.object("thinking", v, func(key string, v []byte) bool {
		w := string(word(v))
		switch key {
		case "type":
			switch w {
			case "enabled", "adaptive":
				c.Thinking = "on"
			case "disabled":
				c.Thinking = "off"
			default:
				return false
			}
		case "budget_tokens":
			dialect.SetInt(&c.ThinkingBudget, v)
		case "display":
			if w != "summarized" && w != "omitted" {
				return false
			}
			c.ShowThinking = llm.Some(w == "summarized")
		default:
			return false
		}
		return true
	})
}

// toolChoice reads which tools are to be called. Only a choice of one tool has its name.
func (d bodyReader) toolChoice(choice []byte) {
	c := d.c
	d.object("tool_choice", choice, func(key string, v []byte) bool {
		switch key {
		case "type":
			switch w := string(word(v)); w {
			case "any":
				c.ToolChoice = "required"
			case "auto", "none", "tool":
				c.ToolChoice = w
			default:
				return false
			}
		case "name":
			if string(word(jsonscan.Get(choice, "type"))) != "tool" {
				return false
			}
			c.ToolChoiceName = jsonscan.String(v)
		case "disable_parallel_tool_use":
			c.ParallelToolCalls = llm.Some(!jsonscan.Bool(v))
		default:
			return false
		}
		return true
	})
}

// tools reads tool definitions. Those with a type of their own run on the provider's side or are known to the model.
func (d bodyReader) tools(v []byte) error {
	if jsonscan.IsNull(v) {
		return nil
	}
	it := jsonscan.Array(v)
	for it.Next() {
		t := llm.Tool{Name: jsonscan.String(jsonscan.Get(it.Value(), "name")), Cache: d.cache(jsonscan.Get(it.Value(), "cache_control"), "tools")}
		if typ := jsonscan.String(jsonscan.Get(it.Value(), "type")); typ != "" && typ != "custom" {
			t.Raw = it.Value()
		} else {
			d.function(&t, it.Value())
		}
		d.c.Tools = append(d.c.Tools, t)
	}
	if it.Err() != nil {
		return refuse("tools", "tools: expected a list")
	}
	return nil
}

// function reads the definition of a function of the client's.
func (d bodyReader) function(t *llm.Tool, v []byte) {
	d.object("tools", v, func(key string, v []byte) bool {
		switch key {
		case "type", "name", "cache_control":
		case "description":
			t.Description = jsonscan.String(v)
		case "input_schema":
			if !jsonscan.IsNull(v) {
				t.Schema = v
			}
		case "strict":
			if !jsonscan.IsNull(v) {
				t.Strict = llm.Some(jsonscan.Bool(v))
			}
		case "defer_loading":
			return !jsonscan.Bool(v)
		case "allowed_callers":
			callers := jsonscan.Strings(v)
			return len(callers) == 1 && callers[0] == "direct"
		default:
			return false
		}
		return true
	})
}

// cache is how long v, a cache_control of what field names, has something cached, as Part.Cache says it.
func (d bodyReader) cache(v []byte, field string) string {
	if jsonscan.IsNull(v) {
		return ""
	}
	ttl := "default"
	d.object(field+".cache_control", v, func(key string, v []byte) bool {
		switch {
		case key == "type":
			return string(word(v)) == "ephemeral"
		case key == "ttl" && !jsonscan.IsNull(v):
			ttl = jsonscan.String(v)
		}
		return key == "ttl"
	})
	return ttl
}
