package gemini

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// codec implements llm.Codec for all request messages: their members have different names.
type codec struct{}

// Conversation implements llm.Codec. What is to be embedded is in Inputs, and once more as messages of the user.
func (codec) Conversation(body []byte) (*llm.Conversation, error) {
	d := reading{c: new(llm.Conversation)}
	it := jsonscan.Object(body)
	for it.Next() {
		d.top(string(it.Key()), it.Value())
	}
	return d.c, it.Err()
}

// reading is a conversation as far as it is read.
type reading struct {
	c    *llm.Conversation
	size llm.Opt[int64] // of the first of several embeddings
}

// top reads one member of a GenerateContentRequest or of a request for embeddings. The path has the model.
func (d *reading) top(key string, v []byte) {
	switch key {
	case "contents":
		elements(v, func(v []byte) { d.content("contents", v) })
	case "systemInstruction", "system_instruction":
		elements(v, d.system)
	case "tools":
		elements(v, d.tool)
	case "toolConfig", "tool_config":
		d.toolConfig(key, v)
	case "generationConfig", "generation_config":
		d.config(key, v)
	case "content", "requests", "taskType", "task_type", "outputDimensionality", "output_dimensionality",
		"embedContentConfig", "embed_content_config", "title", "autoTruncate", "auto_truncate":
		d.embedding(key, v)
	case "model":
	default:
		d.extra(key, v)
	}
}

// extra keeps a member without a neutral form, unless it says no more than its absence: in proto3's JSON mapping null, and
// the default of every type.
func (d *reading) extra(path string, v []byte) {
	if !jsonscan.IsNull(v) && !unset(v) {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: path, Raw: bytes.Clone(v)})
	}
}

func unset(v []byte) bool {
	switch jsonscan.KindOf(v) {
	case jsonscan.False:
		return true
	case jsonscan.Text:
		s := jsonscan.String(v)
		return s == "" || strings.HasSuffix(s, "_UNSPECIFIED")
	case jsonscan.Dict:
		it := jsonscan.Object(v)
		return !it.Next()
	case jsonscan.List:
		it := jsonscan.Array(v)
		return !it.Next()
	}
	return false
}

// each calls f for the members of v, if it is an object.
func each(v []byte, f func(key string, v []byte)) {
	if jsonscan.KindOf(v) == jsonscan.Dict {
		for it := jsonscan.Object(v); it.Next(); {
			f(string(it.Key()), it.Value())
		}
	}
}

func (d *reading) system(v []byte) {
	var m llm.Message
	_, parts := roleAndParts(v)
	elements(parts, func(v []byte) { d.part("systemInstruction.parts", v, &m) })
	d.c.System = append(d.c.System, m.Parts...)
}

// content reads a Content: one message, but where function responses stand beside other parts, since what a tool answers is a
// message of its own in the neutral form.
func (d *reading) content(path string, v []byte) {
	role, parts := roleAndParts(v)
	each(v, func(key string, v []byte) {
		if key != "role" && key != "parts" {
			d.extra(path+"."+key, v)
		}
	})
	var m llm.Message
	flush := func(next llm.Role) {
		if len(m.Parts) > 0 && m.Role != next {
			d.c.Messages, m.Parts = append(d.c.Messages, m), nil
		}
		m.Role = next
	}
	elements(parts, func(v []byte) {
		next := role
		if result(v) {
			next = llm.RoleTool
		} else if role == llm.RoleTool {
			next = llm.RoleUser // function, the role of old, for something else
		}
		flush(next)
		d.part(path+".parts", v, &m)
	})
	flush("")
}

// result reports whether the part v is what a tool answers.
func result(v []byte) bool {
	return member(v, "functionResponse") != nil || member(v, "function_response") != nil
}

// part appends what a Part holds to m.
func (d *reading) part(path string, v []byte, m *llm.Message) {
	kind := llm.PartOther
	eachPart(v, func(p llm.Part, text []byte) {
		p.Index, p.Raw = len(m.Parts), bytes.Clone(p.Raw)
		if p.Kind == llm.PartToolResult {
			readResult(&p, text)
		}
		kind = p.Kind
		m.Parts = append(m.Parts, p)
	})
	if kind == llm.PartOther {
		return // its Raw has all
	}
	each(v, func(key string, v []byte) {
		switch key {
		case "text", "thought", "thoughtSignature", "thought_signature", "executableCode", "executable_code", "codeExecutionResult",
			"code_execution_result", "toolCall", "tool_call", "toolResponse", "tool_response":
		case "inlineData", "inline_data", "fileData", "file_data":
			d.rest(path+"."+key, v, "mimeType", "mime_type", "data", "fileUri", "file_uri", "displayName", "display_name")
		case "functionCall", "function_call":
			d.rest(path+"."+key, v, "id", "name", "args")
		case "functionResponse", "function_response":
			d.rest(path+"."+key, v, "id", "name", "response", "parts")
			elements(member(v, "parts"), func(v []byte) { d.part(path+"."+key+".parts", v, m) })
		default:
			d.extra(path+"."+key, v)
		}
	})
}

// rest keeps the members of v that are not among known.
func (d *reading) rest(path string, v []byte, known ...string) {
	each(v, func(key string, v []byte) {
		if !slices.Contains(known, key) {
			d.extra(path+"."+key, v)
		}
	})
}

// readResult reads FunctionResponse.response: the answer is under output, a failure under error, else the whole object is the
// answer (API reference, FunctionResponse).
func readResult(p *llm.Part, response []byte) {
	var key string
	var value []byte
	n := 0
	each(response, func(k string, v []byte) { key, value, n = k, v, n+1 })
	if n != 1 || key != "error" && key != "output" || jsonscan.IsNull(value) {
		return
	}
	p.IsError = key == "error"
	if p.Text = string(value); jsonscan.KindOf(value) == jsonscan.Text {
		p.Text = jsonscan.String(value)
	}
}

func roleAndParts(content []byte) (role llm.Role, parts []byte) {
	role = llm.RoleUser
	each(content, func(key string, v []byte) {
		switch key {
		case "role":
			switch jsonscan.String(v) {
			case "model":
				role = llm.RoleAssistant
			case "function":
				role = llm.RoleTool
			case "system":
				role = llm.RoleSystem
			}
		case "parts":
			parts = v
		}
	})
	return role, parts
}

// config reads what of a GenerationConfig is not among the Params.
func (d *reading) config(path string, v []byte) {
	c := d.c
	var mime string
	var modalities []byte
	modalitiesKey := ""
	each(v, func(key string, v []byte) {
		switch key {
		case "temperature", "topP", "top_p", "topK", "top_k", "maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count",
			"stopSequences", "stop_sequences", "seed", "presencePenalty", "presence_penalty", "frequencyPenalty", "frequency_penalty":
		case "responseMimeType", "response_mime_type":
			if mime = jsonscan.String(v); mime != "application/json" && mime != "text/plain" {
				d.extra(path+"."+key, v)
			}
		case "responseSchema", "response_schema":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				c.OutputSchema = appendSchema(nil, v)
			}
		case "responseJsonSchema", "response_json_schema", "_responseJsonSchema":
			if jsonscan.KindOf(v) == jsonscan.Dict {
				c.OutputSchema = bytes.Clone(v)
			}
		case "responseLogprobs", "response_logprobs":
			c.Logprobs = jsonscan.Bool(v)
		case "logprobs":
			dialect.SetInt(&c.TopLogprobs, v)
		case "responseModalities", "response_modalities":
			modalities, modalitiesKey = v, key
		case "thinkingConfig", "thinking_config":
			d.thinking(path+"."+key, v)
		default:
			d.extra(path+"."+key, v)
		}
	})
	if outputType("", modalities) != "" && outputType(mime, modalities) != outputType("", modalities) {
		d.extra(path+"."+modalitiesKey, modalities) // Params.OutputType says something else
	}
}

// thinking reads a ThinkingConfig; its level is among the Params. A budget of 0 turns thinking off, one of -1 leaves it to
// the model (Gemini thinking, "Set budget").
func (d *reading) thinking(path string, v []byte) {
	c := d.c
	each(v, func(key string, v []byte) {
		switch key {
		case "thinkingLevel", "thinking_level":
		case "includeThoughts", "include_thoughts":
			if !jsonscan.IsNull(v) {
				c.ShowThinking = llm.Some(jsonscan.Bool(v))
			}
		case "thinkingBudget", "thinking_budget":
			n, ok := jsonscan.Int(v)
			switch {
			case !ok:
			case n == 0:
				c.Thinking = "off"
			case n < 0:
				c.Thinking = "on"
			default:
				c.Thinking, c.ThinkingBudget = "on", llm.Some(n)
			}
		default:
			d.extra(path+"."+key, v)
		}
	})
}
