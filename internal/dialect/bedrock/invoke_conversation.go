package bedrock

import (
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Conversation implements llm.Codec: messages of Anthropic's, Nova's and OpenAI's kind and Command R's turns; a prompt is one
// message of the user's. What is to be embedded is in Inputs.
func (k invokeCodec) Conversation(body []byte) (*llm.Conversation, error) {
	d := invokeBody{bodyReader{new(llm.Conversation)}, k.shape}
	it := jsonscan.Object(body)
	for it.Next() {
		d.member(string(it.Key()), it.Value())
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return d.c, nil
}

// invokeBody fills in a conversation. Nova's parts are Converse's, so that bodyReader reads them.
type invokeBody struct {
	bodyReader
	shape shape
}

// input adds a part to the one input that a request of Titan's has.
func (d invokeBody) input(p llm.Part) {
	if len(d.c.Inputs) == 0 {
		d.c.Inputs = [][]llm.Part{nil}
	}
	d.c.Inputs[0] = append(d.c.Inputs[0], p)
}

func (d invokeBody) member(key string, v []byte) {
	var p llm.Params
	if parameter(&p, key, v); p.Temperature.Set || p.TopP.Set || p.TopK.Set || p.MaxTokens.Set || p.Stop != nil || p.Seed.Set ||
		p.FrequencyPenalty.Set || p.PresencePenalty.Set || p.ChoiceCount.Set || p.Dimensions.Set || p.EncodingFormats != nil {
		return
	}
	switch c := d.c; key {
	case "prompt", "inputText":
		text := llm.Part{Text: jsonscan.String(v)}
		if d.shape == shapeEmbed {
			d.input(text)
		} else {
			c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{text}})
		}
	case "inputImage":
		d.input(llm.Part{Kind: llm.PartBlob, Data: jsonscan.String(v)})
	case "message":
		c.Messages = append(c.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Text: jsonscan.String(v)}}})
	case "texts":
		for _, s := range jsonscan.Strings(v) {
			c.Inputs = append(c.Inputs, []llm.Part{{Text: s}})
		}
	case "input_type":
		c.InputType = jsonscan.String(v)
	case "preamble":
		c.System = append(c.System, llm.Part{Text: jsonscan.String(v)})
	case "system":
		c.System = d.content(c.System, v)
	case "messages":
		each(v, func(_ int, m []byte) { d.message(m) })
	case "chat_history":
		each(v, func(i int, m []byte) {
			turn := llm.Message{Role: turnRole(member(m, "role")), Parts: []llm.Part{{Text: jsonscan.String(member(m, "message"))}}}
			at := min(i, len(c.Messages)) // the message of the request is the last, wherever it stands in the body
			c.Messages = slices.Insert(c.Messages, at, turn)
		})
	case "tools":
		each(v, func(_ int, t []byte) { d.tool(t) })
	case "toolConfig":
		d.toolConfig(v)
	case "thinking":
		d.thinking(v)
	case "tool_choice":
		d.toolChoice(v)
	case "anthropic_version", "schemaVersion", "stream":
	default:
		d.extra(key, v)
	}
}

func (d invokeBody) tool(v []byte) {
	f := member(v, "function")
	if f == nil {
		f = v
	}
	t := llm.Tool{Name: jsonscan.String(member(f, "name")), Description: jsonscan.String(member(f, "description"))}
	for _, name := range [...]string{"parameters", "input_schema"} {
		if s := member(f, name); !jsonscan.IsNull(s) {
			t.Schema = s
		}
	}
	kind := word(member(v, "type"))
	if kind != "" && kind != "function" && kind != "custom" || member(v, "parameter_definitions") != nil {
		t.Raw = v
	}
	d.c.Tools = append(d.c.Tools, t)
}

func (d invokeBody) toolChoice(v []byte) {
	choice, name := jsonscan.String(v), ""
	if jsonscan.KindOf(v) == jsonscan.Dict {
		choice = word(member(v, "type"))
		name = jsonscan.String(member(v, "name"))
		if f := member(v, "function"); f != nil {
			name = jsonscan.String(member(f, "name"))
		}
		if off := member(v, "disable_parallel_tool_use"); off != nil {
			d.c.ParallelToolCalls = llm.Some(!jsonscan.Bool(off))
		}
	}
	switch strings.ToLower(choice) {
	case "any", "required":
		d.c.ToolChoice = "required"
	case "tool", "function":
		d.c.ToolChoice, d.c.ToolChoiceName = "tool", name
	case "auto", "none":
		d.c.ToolChoice = choice
	}
}

// message reads a message. The results of tools, which Anthropic and Nova have the user send, become messages of their own.
func (d invokeBody) message(m []byte) {
	c, role := d.c, messageRole(member(m, "role"))
	msg := llm.Message{Role: role, Name: jsonscan.String(member(m, "name"))}
	if role == llm.RoleTool {
		var text strings.Builder
		for _, p := range d.content(nil, member(m, "content")) {
			text.WriteString(p.Text)
		}
		msg.Parts = []llm.Part{{Kind: llm.PartToolResult, ID: jsonscan.String(member(m, "tool_call_id")), Name: msg.Name, Text: text.String()}}
		c.Messages = append(c.Messages, msg)
		return
	}
	for _, key := range [...]string{"reasoning_content", "reasoning"} {
		if s := jsonscan.String(member(m, key)); s != "" {
			msg.Parts = append(msg.Parts, llm.Part{Kind: llm.PartReasoning, Text: s})
		}
	}
	all := d.content(nil, member(m, "content"))
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && (all[n].Kind == llm.PartToolResult) == (all[i].Kind == llm.PartToolResult) {
			n++
		}
		if all[i].Kind == llm.PartToolResult {
			c.Messages = append(c.Messages, llm.Message{Role: llm.RoleTool, Parts: all[i:n]})
		} else {
			msg.Parts = append(msg.Parts, all[i:n]...)
		}
		i = n
	}
	each(member(m, "tool_calls"), func(i int, t []byte) {
		f := member(t, "function")
		msg.Parts = append(msg.Parts, llm.Part{Kind: llm.PartToolCall, Index: i, ID: jsonscan.String(member(t, "id")),
			Name: jsonscan.String(member(f, "name")), Text: jsonscan.String(member(f, "arguments"))})
	})
	if len(msg.Parts) > 0 {
		c.Messages = append(c.Messages, msg)
	}
}

// content appends the parts of a string, or of a list of strings and blocks.
func (d invokeBody) content(dst []llm.Part, v []byte) []llm.Part {
	if jsonscan.KindOf(v) == jsonscan.Text {
		return append(dst, llm.Part{Text: jsonscan.String(v)})
	}
	each(v, func(_ int, b []byte) {
		kind := word(member(b, "type"))
		switch {
		case jsonscan.KindOf(b) == jsonscan.Text:
			dst = append(dst, llm.Part{Text: jsonscan.String(b)})
		case kind != "":
			dst = d.typed(dst, kind, b)
		case jsonscan.KindOf(b) == jsonscan.Dict:
			for it := jsonscan.Object(b); it.Next(); {
				dst = d.block(dst, string(it.Key()), it.Value(), "messages.content")
			}
		}
	})
	return dst
}

// typed appends a block that names its type, as Anthropic's and OpenAI's do.
func (d invokeBody) typed(dst []llm.Part, kind string, b []byte) []llm.Part {
	mark := ""
	if cache := member(b, "cache_control"); !jsonscan.IsNull(cache) {
		mark = cacheMark(cache)
	}
	var part llm.Part
	switch kind {
	case "image", "document":
		part = claudeMedia(member(b, "source"))
	case "image_url":
		part = llm.Part{Kind: llm.PartURI, URI: jsonscan.String(member(member(b, "image_url"), "url")), Detail: jsonscan.String(member(member(b, "image_url"), "detail"))}
		if mime, data, ok := strings.Cut(strings.TrimPrefix(part.URI, "data:"), ";base64,"); ok {
			part = llm.Part{Kind: llm.PartBlob, MIME: mime, Data: data, Detail: part.Detail}
		}
	case "tool_result":
		part = llm.Part{Kind: llm.PartToolResult, ID: jsonscan.String(member(b, "tool_use_id")), IsError: jsonscan.Bool(member(b, "is_error"))}
		for _, p := range d.content(nil, member(b, "content")) {
			part.Text += p.Text
		}
	case "thinking":
		part = llm.Part{Kind: llm.PartReasoning, Text: jsonscan.String(member(b, "thinking")), Signature: jsonscan.String(member(b, "signature"))}
	case "text":
		part = llm.Part{Text: jsonscan.String(member(b, "text"))}
	default:
		p := pieces{}
		p.claudeBlock(b, 0, member(b, "input"))
		if len(p.parts) == 1 {
			part = p.parts[0]
		}
	}
	part.Cache = mark
	return append(dst, part)
}

// claudeMedia is the content that an Anthropic source stands for.
func claudeMedia(source []byte) llm.Part {
	p := llm.Part{Kind: llm.PartBlob, MIME: jsonscan.String(member(source, "media_type")), Data: jsonscan.String(member(source, "data"))}
	if url := member(source, "url"); url != nil {
		p.Kind, p.URI, p.Data = llm.PartURI, jsonscan.String(url), ""
	}
	return p
}
