package openai

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

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

// str is the string member key of v, "" when there is none.
func str(v []byte, path ...string) string { return jsonscan.String(jsonscan.Get(v, path...)) }

// appendContent decodes a content: a text, or parts of chat completions or of Responses. Field is where the request has it.
func appendContent(c *llm.Conversation, field string, parts []llm.Part, v []byte) []llm.Part {
	if isText(v) {
		return append(parts, llm.Part{Text: jsonscan.String(v)})
	}
	for _, e := range elements(v) {
		parts = append(parts, contentPart(c, field, e))
	}
	return parts
}

// partMembers are the members of a content part that are read, or that say nothing to a model: what a client sends back of an
// answer has its log probabilities in it.
var partMembers = []string{
	"type", "text", "refusal", "image_url", "input_audio", "file", "file_id", "file_data", "file_url", "filename", "detail",
	"cache_control", "prompt_cache_breakpoint", "logprobs",
}

func contentPart(c *llm.Conversation, field string, v []byte) llm.Part {
	p := mediaPart(v)
	if p.Kind == llm.PartOther {
		return p
	}
	p.Cache = cacheMark(v)
	rest(c, field, v, partMembers...)
	for _, key := range []string{"image_url", "input_audio", "file"} {
		rest(c, field+"."+key, jsonscan.Get(v, key), "url", "detail", "data", "format", "file_id", "file_data", "filename")
	}
	return p
}

func mediaPart(v []byte) llm.Part {
	typ := str(v, "type")
	switch typ {
	case "text", "input_text", "output_text":
		return llm.Part{Text: str(v, "text")}
	case "refusal":
		return llm.Part{Kind: llm.PartRefusal, Text: str(v, typ)}
	case "summary_text", "reasoning_text":
		return llm.Part{Kind: llm.PartReasoning, Text: str(v, "text")}
	case "image_url":
		image := jsonscan.Get(v, typ)
		p := linked("image", cmp.Or(str(image, "url"), jsonscan.String(image)))
		p.Detail = str(image, "detail")
		return p
	case "input_image":
		p := llm.Part{Kind: llm.PartFile, ID: str(v, "file_id"), MIME: "image/*"}
		if p.ID == "" {
			p = linked("image", str(v, "image_url"))
		}
		p.Detail = str(v, "detail")
		return p
	case "input_audio":
		return llm.Part{Kind: llm.PartBlob, MIME: audioType(str(v, typ, "format")), Data: str(v, typ, "data")}
	case "file":
		return filePart(jsonscan.Get(v, typ))
	case "input_file":
		return filePart(v)
	}
	return llm.Part{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}
}

// cacheMark is the mark of v that what ends with it is to be cached: Anthropic's cache_control, which OpenRouter and LiteLLM
// take in OpenAI's formats, or OpenAI's own prompt_cache_breakpoint (models from gpt-5.6).
func cacheMark(v []byte) string {
	for _, key := range []string{"cache_control", "prompt_cache_breakpoint"} {
		if mark := jsonscan.Get(v, key); jsonscan.KindOf(mark) == jsonscan.Dict {
			return cmp.Or(str(mark, "ttl"), "default")
		}
	}
	return ""
}

// audioType is the media type of a format of input_audio ("wav" or "mp3").
func audioType(format string) string {
	if format == "mp3" {
		return "audio/mpeg"
	}
	return "audio/" + format
}

func filePart(v []byte) llm.Part {
	name := str(v, "filename")
	if id := str(v, "file_id"); id != "" {
		return llm.Part{Kind: llm.PartFile, ID: id, Name: name}
	}
	data, uri := str(v, "file_data"), str(v, "file_url")
	p := linked("", cmp.Or(data, uri))
	if data != "" && p.Kind == llm.PartURI {
		p = llm.Part{Kind: llm.PartBlob, Data: data}
	}
	if p.MIME == "" {
		p.MIME = documentType(name, uri)
	}
	p.Name, p.Detail = name, str(v, "detail")
	return p
}

// documentType is the media type of a document, of which the API tells only names.
func documentType(names ...string) string {
	for _, name := range names {
		if name, _, _ = strings.Cut(name, "?"); strings.HasSuffix(strings.ToLower(name), ".pdf") {
			return "application/pdf"
		}
	}
	return "application/octet-stream"
}

// linked is what a URL refers to: the data of a data URL (RFC 2397, base64), else the URL. Kind is "image" or "".
func linked(kind, uri string) llm.Part {
	if rest, ok := strings.CutPrefix(uri, "data:"); ok {
		if mime, data, ok := strings.Cut(rest, ";base64,"); ok {
			return llm.Part{Kind: llm.PartBlob, MIME: mime, Data: data}
		}
	}
	p := llm.Part{Kind: llm.PartURI, URI: uri}
	if kind != "" {
		p.MIME = kind + "/*"
	}
	return p
}

// toolResult is the content of the message m that answers a call: the result, whose text is that of all of v's text parts,
// then what v has of other content.
func toolResult(result llm.Part, content []llm.Part) []llm.Part {
	result.Kind = llm.PartToolResult
	out := []llm.Part{result}
	var b strings.Builder
	for i := range content {
		p := &content[i]
		out[0].Cache = cmp.Or(p.Cache, out[0].Cache)
		if p.Kind == llm.PartText {
			b.WriteString(p.Text)
			continue
		}
		p.Cache = ""
		out = append(out, *p)
	}
	out[0].Text = b.String()
	return out
}

// newTool decodes the tool raw, which the request has at field; f is its function, and raw itself in Responses.
func newTool(c *llm.Conversation, raw, f []byte) llm.Tool {
	typ := str(raw, "type")
	if typ != "function" || f == nil {
		return llm.Tool{Name: cmp.Or(str(raw, "custom", "name"), str(raw, "name"), typ), Raw: bytes.Clone(raw)}
	}
	t := function(c, f)
	t.Cache = cmp.Or(t.Cache, cacheMark(raw))
	if len(raw) != len(f) {
		rest(c, "tools", raw, "type", "function", "cache_control")
	}
	return t
}

func function(c *llm.Conversation, f []byte) llm.Tool {
	var t llm.Tool
	for it := jsonscan.Object(f); it.Next(); {
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "name":
			t.Name = jsonscan.String(v)
		case "description":
			t.Description = jsonscan.String(v)
		case "parameters":
			t.Schema = schema(v)
		case "strict":
			t.Strict = llm.Some(jsonscan.Bool(v))
		case "type", "cache_control":
		default:
			extra(c, key, "tools."+key, v)
		}
	}
	t.Cache = cacheMark(f)
	return t
}

// toolChoice decodes tool_choice of both APIs and the function_call that came before it. Choices of other tools than functions,
// and of several, have no neutral form.
func toolChoice(c *llm.Conversation, key string, v []byte) {
	switch s := jsonscan.String(v); s {
	case "auto", "none", "required":
		c.ToolChoice = s
		return
	}
	name := cmp.Or(str(v, "function", "name"), str(v, "name"))
	if typ := str(v, "type"); name != "" && (typ == "function" || typ == "" && key == "function_call") {
		c.ToolChoice, c.ToolChoiceName = "tool", name
		return
	}
	extra(c, key, key, v)
}

// schema is the JSON Schema v, nil when it is none.
func schema(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	return bytes.Clone(v)
}

// format decodes the format of an answer, which the request has at field: format is the object with its type, spec the one
// with the schema.
func format(c *llm.Conversation, field, specField string, format, spec []byte) {
	switch str(format, "type") {
	case "text", "json_object", "":
	case "json_schema":
		c.OutputSchema, c.OutputName = schema(jsonscan.Get(spec, "schema")), str(spec, "name")
		if strict := jsonscan.Get(spec, "strict"); !jsonscan.IsNull(strict) {
			c.OutputStrict = llm.Some(jsonscan.Bool(strict))
		}
		rest(c, specField, spec, "type", "schema", "name", "strict")
	default:
		extra(c, "", field, format)
	}
}

// topLogprobs decodes top_logprobs; 0 asks for nothing.
func topLogprobs(c *llm.Conversation, v []byte) {
	if n, ok := jsonscan.Int(v); ok && n > 0 {
		c.TopLogprobs = llm.Some(n)
	}
}

func parallel(c *llm.Conversation, v []byte) {
	if !jsonscan.IsNull(v) {
		c.ParallelToolCalls = llm.Some(jsonscan.Bool(v))
	}
}
