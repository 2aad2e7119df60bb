package ollama

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// codec implements llm.Codec for all requests: their members have different names.
type codec struct{ embeds bool }

// Conversation implements llm.Codec. A prompt is a message of the user, and so is each text to be embedded, which is in Inputs
// as well.
func (k codec) Conversation(body []byte) (*llm.Conversation, error) {
	d := reading{c: new(llm.Conversation), embeds: k.embeds}
	it := jsonscan.Object(body)
	for it.Next() {
		d.top(string(it.Key()), it.Value())
	}
	c := d.c
	if last := len(c.Messages) - 1; last >= 0 {
		c.Messages[last].Parts = appendImages(c.Messages[last].Parts, d.images)
	}
	return c, it.Err()
}

// reading is a conversation as far as it is read.
type reading struct {
	c      *llm.Conversation
	embeds bool   // the prompt is to be embedded
	images []byte // of generate: they belong to the prompt
}

// top reads one member of a request of any endpoint.
func (d *reading) top(key string, v []byte) {
	c := d.c
	switch key {
	case "model", "stream", "dimensions":
	case "messages":
		elements(v, d.message)
	case "system":
		if s := jsonscan.String(v); s != "" {
			c.System = append(c.System, llm.Part{Text: s})
		}
	case "prompt", "input":
		for _, s := range jsonscan.Strings(v) {
			input := []llm.Part{{Text: s}}
			c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: input})
			if d.embeds {
				c.Inputs = append(c.Inputs, input)
			}
		}
		if !jsonscan.OnlyStrings(v) && !jsonscan.IsNull(v) {
			d.extra(key, v)
		}
	case "images":
		d.images = v
	case "tools":
		elements(v, func(v []byte) { c.Tools = append(c.Tools, d.tool(v)) })
	case "format":
		if jsonscan.KindOf(v) == jsonscan.Dict {
			c.OutputSchema = bytes.Clone(v)
		} else if jsonscan.String(v) != "json" {
			d.extra(key, v)
		}
	case "think":
		switch jsonscan.KindOf(v) {
		case jsonscan.True:
			c.Thinking = "on"
		case jsonscan.False:
			c.Thinking = "off"
		}
	case "logprobs":
		c.Logprobs = jsonscan.Bool(v)
	case "top_logprobs":
		dialect.SetInt(&c.TopLogprobs, v)
	case "options":
		each(v, d.option)
	case "truncate", "shift":
		if jsonscan.KindOf(v) != jsonscan.True {
			d.keep(key, v)
		}
	default:
		d.extra(key, v)
	}
}

// defaults are those of the documented parameters (Modelfile reference, PARAMETER) without a neutral form.
var defaults = map[string]float64{
	"mirostat": 0, "mirostat_eta": 0.1, "mirostat_tau": 5, "repeat_last_n": 64, "repeat_penalty": 1.1, "min_p": 0, "typical_p": 1, "tfs_z": 1,
}

// option reads one of options that is not among the Params.
func (d *reading) option(key string, v []byte) {
	switch key {
	case "temperature", "top_p", "top_k", "num_predict", "stop", "seed", "frequency_penalty", "presence_penalty":
		return
	}
	f, ok := jsonscan.Float(v)
	if normal, documented := defaults[key]; !ok || !documented || f != normal {
		d.keep("options."+key, v)
	}
}

// extra keeps a member without a neutral form, unless it is empty.
func (d *reading) extra(path string, v []byte) {
	switch string(v) {
	case "false", `""`, "[]", "{}":
		return
	}
	d.keep(path, v)
}

func (d *reading) keep(path string, v []byte) {
	if !jsonscan.IsNull(v) {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: path, Raw: bytes.Clone(v)})
	}
}

// rest keeps the members of v that are not among known.
func (d *reading) rest(path string, v []byte, known ...string) {
	each(v, func(key string, v []byte) {
		if !slices.Contains(known, key) {
			d.extra(path+"."+key, v)
		}
	})
}

// elements calls f for the objects of the list v.
func elements(v []byte, f func(v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		if jsonscan.KindOf(it.Value()) == jsonscan.Dict {
			f(it.Value())
		}
	}
}

// each calls f for the members of v, if it is an object.
func each(v []byte, f func(key string, v []byte)) {
	if jsonscan.KindOf(v) == jsonscan.Dict {
		for it := jsonscan.Object(v); it.Next(); {
			f(string(it.Key()), it.Value())
		}
	}
}

// message reads one of messages. What a tool answered is a tool result; tool_call_id is newer than tool_name.
func (d *reading) message(v []byte) {
	m := llm.Message{Role: llm.RoleUser}
	var images []byte
	result := llm.Part{Kind: llm.PartToolResult}
	each(v, func(key string, v []byte) {
		switch key {
		case "role":
			m.Role = roleOf(v)
		case "images":
			images = v
		case "tool_name", "name": // name: an older version's
			result.Name = jsonscan.String(v)
		case "tool_call_id":
			result.ID = jsonscan.String(v)
		case "content":
			result.Text = jsonscan.String(v)
		case "tool_calls":
			elements(v, func(v []byte) {
				d.rest("messages.tool_calls", v, "id", "type", "function")
				d.rest("messages.tool_calls.function", jsonscan.Get(v, "function"), "index", "name", "description", "arguments")
			})
		case "thinking":
		default:
			d.extra("messages."+key, v)
		}
	})
	if m.Role == llm.RoleTool {
		m.Parts = append(m.Parts, result)
	} else {
		m.Name = result.Name
		eachPart(&response{message: v}, func(p llm.Part, _ []byte) {
			p.Index = len(m.Parts)
			m.Parts = append(m.Parts, p)
		})
	}
	m.Parts = appendImages(m.Parts, images)
	d.c.Messages = append(d.c.Messages, m)
}

// roleOf reads a role, whose case Ollama does not care for.
func roleOf(v []byte) llm.Role { return llm.Role(strings.ToLower(jsonscan.String(v))) }

// appendImages appends images, base64 text of a kind that is not told.
func appendImages(parts []llm.Part, images []byte) []llm.Part {
	if jsonscan.KindOf(images) != jsonscan.List {
		return parts
	}
	for _, data := range jsonscan.Strings(images) {
		parts = append(parts, llm.Part{Kind: llm.PartBlob, Index: len(parts), Data: data})
	}
	return parts
}

func (d *reading) tool(v []byte) llm.Tool {
	fn := jsonscan.Get(v, "function")
	if jsonscan.KindOf(fn) != jsonscan.Dict {
		return llm.Tool{Name: jsonscan.String(jsonscan.Get(v, "type")), Raw: bytes.Clone(v)}
	}
	d.rest("tools", v, "type", "function")
	var t llm.Tool
	each(fn, func(key string, v []byte) {
		switch key {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				t.Schema = bytes.Clone(v)
			}
		default:
			d.extra("tools.function."+key, v)
		}
	})
	return t
}
