package bedrock

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// converseCodec reads requests of Converse and ConverseStream (API reference, Converse).
type converseCodec struct{}

// Conversation implements llm.Codec. The results of tools, which the API has the user send, become messages of their own with
// the role tool. A cachePoint is a mark on the part before it.
func (converseCodec) Conversation(body []byte) (*llm.Conversation, error) {
	d := bodyReader{new(llm.Conversation)}
	it := jsonscan.Object(body)
	for it.Next() {
		v := it.Value()
		switch key := string(it.Key()); key {
		case "messages":
			d.messages(v)
		case "system":
			d.each(v, func(kind string, v []byte) { d.c.System = d.block(d.c.System, kind, v, "system") })
		case "toolConfig":
			d.toolConfig(v)
		case "inferenceConfig":
			d.rest(key, v, "maxTokens", "temperature", "topP", "stopSequences")
		case "outputConfig":
			d.output(v)
		case "additionalModelRequestFields":
			d.modelFields(v)
		case "additionalModelResponseFieldPaths":
			if paths := jsonscan.Strings(v); len(paths) != 1 || paths[0] != "/stop_sequence" {
				d.extra(key, v)
			}
		case "performanceConfig", "serviceTier":
			if t := jsonscan.String(member(v, "type")) + jsonscan.String(member(v, "latency")); t != "default" && t != "standard" {
				d.extra(key, v)
			}
		default:
			d.extra(key, v)
		}
	}
	if err := it.Err(); err != nil {
		return nil, malformed(err)
	}
	return d.c, nil
}

// bodyReader fills in a conversation. What is not of the type that the API has counts as absent.
type bodyReader struct{ c *llm.Conversation }

// extra keeps a member without a neutral form, unless it is empty.
func (d bodyReader) extra(field string, v []byte) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Dict:
		if it := jsonscan.Object(v); !it.Next() {
			return
		}
	case jsonscan.List:
		if it := jsonscan.Array(v); !it.Next() {
			return
		}
	}
	if !jsonscan.IsNull(v) {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: field, Raw: v})
	}
}

// rest keeps the members of v, an object at path, that are not among known.
func (d bodyReader) rest(path string, v []byte, known ...string) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
members:
	for it := jsonscan.Object(v); it.Next(); {
		key := string(it.Key())
		for _, k := range known {
			if k == key {
				continue members
			}
		}
		d.extra(path+"."+key, it.Value())
	}
}

// each calls do for every member of every object in the list v: a union has one.
func (d bodyReader) each(v []byte, do func(kind string, v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		if jsonscan.KindOf(it.Value()) != jsonscan.Dict {
			continue
		}
		for m := jsonscan.Object(it.Value()); m.Next(); {
			do(string(m.Key()), m.Value())
		}
	}
}

func (d bodyReader) messages(v []byte) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	for it := jsonscan.Array(v); it.Next(); {
		m := it.Value()
		d.rest("messages", m, "role", "content")
		role, first := roleOf(member(m, "role")), len(d.c.Messages)
		d.each(member(m, "content"), func(kind string, v []byte) {
			as, n := role, len(d.c.Messages)
			switch {
			case kind == "toolResult":
				as = llm.RoleTool
			case kind == "cachePoint" && n > first:
				as = d.c.Messages[n-1].Role
			}
			if n == first || d.c.Messages[n-1].Role != as {
				d.c.Messages = append(d.c.Messages, llm.Message{Role: as})
			}
			last := &d.c.Messages[len(d.c.Messages)-1]
			last.Parts = d.block(last.Parts, kind, v, "messages.content")
		})
		if len(d.c.Messages) == first {
			d.c.Messages = append(d.c.Messages, llm.Message{Role: role})
		}
	}
}

func roleOf(v []byte) llm.Role {
	switch jsonscan.String(v) {
	case "assistant":
		return llm.RoleAssistant
	case "system":
		return llm.RoleSystem
	}
	return llm.RoleUser
}

// block appends a content block of one kind (API reference, ContentBlock and SystemContentBlock).
func (d bodyReader) block(dst []llm.Part, kind string, v []byte, where string) []llm.Part {
	switch kind {
	case "cachePoint":
		if len(dst) == 0 {
			d.extra(where+"."+kind, v)
			return dst
		}
		at := len(dst) - 1
		for at > 0 && dst[at].Kind != llm.PartToolResult && hasResult(dst[:at]) {
			at-- // media of a result: the mark is the result's
		}
		dst[at].Cache = cacheMark(v)
	case "guardContent":
		return guarded(dst, v)
	case kindDocument:
		return d.document(dst, v, where+"."+kind)
	case "toolResult":
		return d.toolResult(dst, v, where+"."+kind)
	case "citationsContent":
		parts := blockParts(kind, v)
		d.extra(where+"."+kind+".citations", member(v, "citations"))
		return append(dst, parts[:len(parts)-1]...)
	default:
		if kind == kindImage || kind == kindAudio || kind == kindVideo {
			d.rest(where+"."+kind, v, "format", "source")
			d.rest(where+"."+kind+".source.s3Location", member(member(v, "source"), "s3Location"), "uri")
		}
		return append(dst, blockParts(kind, v)...)
	}
	return dst
}

// blockParts are the parts of a content block, without what stands beside them.
func blockParts(kind string, v []byte) []llm.Part {
	var p pieces
	p.block(kind, v, 0)
	return slices.DeleteFunc(p.parts, func(p llm.Part) bool { return p.Choice == llm.Aside })
}

func hasResult(parts []llm.Part) bool {
	for i := range parts {
		if parts[i].Kind == llm.PartToolResult {
			return true
		}
	}
	return false
}

// cacheMark is what Part.Cache says of a CachePointBlock.
func cacheMark(v []byte) string {
	if ttl := jsonscan.String(member(v, "ttl")); ttl != "" {
		return ttl
	}
	return "default"
}

// guarded appends what Bedrock's own guardrail is to look at: content like any other.
func guarded(dst []llm.Part, v []byte) []llm.Part {
	if text := member(v, "text"); text != nil {
		return append(dst, llm.Part{Text: jsonscan.String(member(text, "text"))})
	}
	if image := member(v, "image"); image != nil {
		return append(dst, mediaPart(kindImage, image))
	}
	return append(dst, llm.Part{Kind: llm.PartOther, Name: "guardContent", Raw: v})
}

// document appends a DocumentBlock. One of text is a document of plain text; one of content blocks has no neutral form.
func (d bodyReader) document(dst []llm.Part, v []byte, where string) []llm.Part {
	d.rest(where, v, "format", "name", "source", "citations")
	if citations := member(v, "citations"); jsonscan.Bool(member(citations, "enabled")) {
		d.extra(where+".citations", citations)
	}
	source := member(v, "source")
	d.rest(where+".source.s3Location", member(source, "s3Location"), "uri")
	if member(source, "content") != nil {
		return append(dst, llm.Part{Kind: llm.PartOther, Name: kindDocument, Raw: v})
	}
	p := mediaPart(kindDocument, v)
	p.Name = jsonscan.String(member(v, "name"))
	if text := member(source, "text"); text != nil {
		p.Data = base64.StdEncoding.EncodeToString([]byte(jsonscan.String(text)))
		if p.MIME == mimeOf(kindDocument, "") {
			p.MIME = mimeOf(kindDocument, "txt")
		}
	}
	return append(dst, p)
}

// toolResult appends the result of a tool: its texts as one part, JSON as it is, and what else it holds after it.
func (d bodyReader) toolResult(dst []llm.Part, v []byte, where string) []llm.Part {
	d.rest(where, v, "toolUseId", "content", "status", "type")
	at := len(dst)
	dst = append(dst, llm.Part{Kind: llm.PartToolResult, ID: jsonscan.String(member(v, "toolUseId")),
		IsError: jsonscan.String(member(v, "status")) == "error"})
	var texts []string
	d.each(member(v, "content"), func(kind string, v []byte) {
		switch kind {
		case "text":
			texts = append(texts, jsonscan.String(v))
		case "json":
			texts = append(texts, string(v))
		default:
			dst = d.block(dst, kind, v, where+".content")
		}
	})
	dst[at].Text = strings.Join(texts, "\n")
	return dst
}

// toolConfig reads the tools and which of them is to be called (API reference, ToolConfiguration).
func (d bodyReader) toolConfig(v []byte) {
	d.rest("toolConfig", v, "tools", "toolChoice")
	d.each(member(v, "tools"), func(kind string, v []byte) {
		switch n := len(d.c.Tools); {
		case kind == "toolSpec":
			d.rest("toolConfig.tools.toolSpec", v, "name", "description", "inputSchema", "strict")
			t := llm.Tool{Name: jsonscan.String(member(v, "name")), Description: jsonscan.String(member(v, "description")),
				Schema: member(member(v, "inputSchema"), "json")}
			if strict := member(v, "strict"); !jsonscan.IsNull(strict) {
				t.Strict = llm.Some(jsonscan.Bool(strict))
			}
			d.c.Tools = append(d.c.Tools, t)
		case kind == "cachePoint" && n > 0:
			d.c.Tools[n-1].Cache = cacheMark(v)
		default:
			d.c.Tools = append(d.c.Tools, llm.Tool{Name: jsonscan.String(member(v, "name")), Raw: v})
		}
	})
	choice := member(v, "toolChoice")
	switch {
	case member(choice, "auto") != nil:
		d.c.ToolChoice = "auto"
	case member(choice, "any") != nil:
		d.c.ToolChoice = "required"
	case member(choice, "tool") != nil:
		d.c.ToolChoice, d.c.ToolChoiceName = "tool", jsonscan.String(member(member(choice, "tool"), "name"))
	}
}

// output reads the format of the answer, whose schema is JSON in a string (API reference, OutputConfig).
func (d bodyReader) output(v []byte) {
	d.rest("outputConfig", v, "effort", "textFormat")
	schema := member(member(member(v, "textFormat"), "structure"), "jsonSchema")
	if schema == nil {
		return
	}
	d.rest("outputConfig.textFormat.structure.jsonSchema", schema, "schema", "name")
	text := bytes.TrimSpace([]byte(jsonscan.String(member(schema, "schema"))))
	if jsonscan.Validate(text) != nil {
		d.extra("outputConfig.textFormat", member(v, "textFormat"))
		return
	}
	d.c.OutputSchema, d.c.OutputName = text, jsonscan.String(member(schema, "name"))
}

// modelFields reads the model's own parameters that have a neutral form, as parseConverse does: Anthropic's thinking and choice
// of tools, Nova's reasoning.
func (d bodyReader) modelFields(v []byte) {
	const path = "additionalModelRequestFields"
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		switch key := string(it.Key()); key {
		case "top_k", "topK", "k", "reasoning_effort":
		case "inferenceConfig":
			d.rest(path+"."+key, v, "topK")
		case "output_config":
			d.rest(path+"."+key, v, "effort")
		case "thinking", "reasoning_config":
			d.rest(path+"."+key, v, "type", "budget_tokens", "display")
			d.thinking(v)
		case "reasoningConfig":
			d.rest(path+"."+key, v, "type", "maxReasoningEffort")
			d.thinking(v)
		case "tool_choice":
			if off := member(v, "disable_parallel_tool_use"); off != nil {
				d.c.ParallelToolCalls = llm.Some(!jsonscan.Bool(off))
			}
			d.rest(path+"."+key, v, "disable_parallel_tool_use", "type", "name")
		default:
			d.extra(path+"."+key, v)
		}
	}
}

func (d bodyReader) thinking(v []byte) {
	switch jsonscan.String(member(v, "type")) {
	case "enabled", "adaptive":
		d.c.Thinking = "on"
	case "disabled":
		d.c.Thinking = "off"
	}
	if n, ok := jsonscan.Int(member(v, "budget_tokens")); ok {
		d.c.ThinkingBudget = llm.Some(n)
	}
	if display := jsonscan.String(member(v, "display")); display != "" {
		d.c.ShowThinking = llm.Some(display != "omitted")
	}
}
