package mistral

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"path"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// mimePDF is what a document is whose URL does not tell.
const mimePDF = "application/pdf"

// messageOf decodes a message. What has no neutral form goes to c.
func messageOf(c *llm.Conversation, v []byte) llm.Message {
	role := jsonscan.String(jsonscan.Get(v, "role"))
	if role == "developer" { // of OpenAI's clients
		role = string(llm.RoleSystem)
	}
	m := llm.Message{Role: llm.Role(role)}
	var content, calls []byte
	var id string
	for it := jsonscan.Object(v); it.Next(); {
		v := it.Value()
		if jsonscan.IsNull(v) {
			continue
		}
		switch key := string(it.Key()); key {
		case "role":
		case "content":
			content = v
		case "tool_calls":
			calls = v
		case "tool_call_id":
			id = jsonscan.String(v)
		case "name":
			m.Name = jsonscan.String(v)
		case "prefix": // of the last message: other dialects go on from it unasked, or cannot
			if jsonscan.Bool(v) {
				extra(c, "messages."+key, v)
			}
		case "reasoning_content": // of OpenAI's clients
			m.Parts = append(m.Parts, llm.Part{Kind: llm.PartReasoning, Text: jsonscan.String(v)})
		case "refusal": // of OpenAI's clients
			m.Parts = append(m.Parts, llm.Part{Kind: llm.PartRefusal, Text: jsonscan.String(v)})
		default:
			extra(c, "messages."+key, v)
		}
	}
	if m.Role == llm.RoleTool {
		m.Parts = resultParts(content, id, m.Name)
		return m
	}
	m.Parts = appendContent(m.Parts, content)
	for i, call := range elements(calls) {
		m.Parts = append(m.Parts, callPart(call, i))
	}
	return m
}

// resultParts is a tool's result: its text, and after it what of the content is none.
func resultParts(content []byte, id, name string) []llm.Part {
	result := llm.Part{Kind: llm.PartToolResult, ID: id, Name: name}
	var rest []llm.Part
	for _, p := range appendContent(nil, content) {
		if p.Kind == llm.PartText {
			result.Text += p.Text
		} else {
			rest = append(rest, p)
		}
	}
	return append([]llm.Part{result}, rest...)
}

func callPart(v []byte, i int) llm.Part {
	p := llm.Part{Kind: llm.PartToolCall, Index: i, ID: jsonscan.String(jsonscan.Get(v, "id")),
		Name: jsonscan.String(jsonscan.Get(v, "function", "name"))}
	if args := jsonscan.Get(v, "function", "arguments"); jsonscan.KindOf(args) == jsonscan.Text {
		p.Text = jsonscan.String(args)
	} else if !jsonscan.IsNull(args) {
		p.Text = string(args)
	}
	return p
}

// appendContent decodes a content: a text or a list of chunks.
func appendContent(parts []llm.Part, v []byte) []llm.Part {
	if jsonscan.KindOf(v) == jsonscan.Text {
		if s := jsonscan.String(v); s != "" {
			parts = append(parts, llm.Part{Text: s})
		}
		return parts
	}
	for _, c := range elements(v) {
		parts = append(parts, chunkPart(c))
	}
	return parts
}

// chunkPart decodes a content chunk (API reference, ContentChunk). Some may also come in the form that OpenAI's clients send.
func chunkPart(v []byte) llm.Part {
	typ := jsonscan.String(jsonscan.Get(v, "type"))
	value := jsonscan.Get(v, typ)
	switch typ {
	case "text":
		return llm.Part{Text: jsonscan.String(value)}
	case "thinking":
		if p, ok := thinking(v, value); ok {
			return p
		}
	case "image_url":
		uri := jsonscan.String(value)
		if jsonscan.KindOf(value) == jsonscan.Dict {
			uri = jsonscan.String(jsonscan.Get(value, "url"))
		}
		p := linked(uri, "image/*")
		p.Detail = jsonscan.String(jsonscan.Get(value, "detail"))
		return p
	case "document_url":
		uri := jsonscan.String(value)
		p := linked(uri, documentType(uri))
		p.Name = jsonscan.String(jsonscan.Get(v, "document_name"))
		return p
	case "input_audio":
		return audioPart(value)
	case "file":
		if id := jsonscan.String(jsonscan.Get(v, "file_id")); id != "" {
			return llm.Part{Kind: llm.PartFile, ID: id}
		}
	}
	return llm.Part{Kind: llm.PartOther, Name: typ, Raw: bytes.Clone(v)}
}

// thinking is the reasoning of a thinking chunk; ok is false when it holds references, which are no text.
func thinking(chunk, list []byte) (p llm.Part, ok bool) {
	p = llm.Part{Kind: llm.PartReasoning, Signature: jsonscan.String(jsonscan.Get(chunk, "signature"))}
	if jsonscan.KindOf(list) == jsonscan.Text {
		p.Text = jsonscan.String(list)
		return p, true
	}
	for _, t := range elements(list) {
		if jsonscan.String(jsonscan.Get(t, "type")) != "text" {
			return p, false
		}
		p.Text += jsonscan.String(jsonscan.Get(t, "text"))
	}
	return p, true
}

// linked is what a URL refers to: the data of a data URL (RFC 2397, base64), else the URL, of the media type given.
func linked(uri, mime string) llm.Part {
	if rest, ok := strings.CutPrefix(uri, "data:"); ok {
		if own, data, ok := strings.Cut(rest, ";base64,"); ok {
			return llm.Part{Kind: llm.PartBlob, MIME: own, Data: data}
		}
	}
	return llm.Part{Kind: llm.PartURI, MIME: mime, URI: uri}
}

// documentType is the media type of a document by the end of its URL's path.
func documentType(uri string) string {
	uri, _, _ = strings.Cut(uri, "?")
	switch strings.ToLower(path.Ext(uri)) {
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case ".txt", ".md":
		return "text/plain"
	}
	return mimePDF
}

// audioPart is the audio of an input_audio chunk: base64, a data URL, a URL, or OpenAI's object of data and format.
func audioPart(v []byte) llm.Part {
	s := jsonscan.String(v)
	if jsonscan.KindOf(v) == jsonscan.Dict {
		s = jsonscan.String(jsonscan.Get(v, "data"))
		switch format := jsonscan.String(jsonscan.Get(v, "format")); format {
		case "":
		case "mp3":
			return llm.Part{Kind: llm.PartBlob, MIME: "audio/mpeg", Data: s}
		default:
			return llm.Part{Kind: llm.PartBlob, MIME: "audio/" + format, Data: s}
		}
	}
	if strings.HasPrefix(s, "data:") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return linked(s, "audio/*")
	}
	return llm.Part{Kind: llm.PartBlob, MIME: audioType(s), Data: s}
}

// audioType is the media type of audio in base64 by its first bytes.
func audioType(data string) string {
	switch mime, head := sniff(data); {
	case mime == "audio/wave":
		return "audio/wav"
	case strings.HasPrefix(mime, "audio/"):
		return mime
	case bytes.HasPrefix(head, []byte("fLaC")):
		return "audio/flac"
	case mime == "application/ogg":
		return "audio/ogg"
	}
	return "audio/mpeg"
}

// sniff tells the media type of data in base64, and its first bytes.
func sniff(data string) (mime string, head []byte) {
	head, err := base64.StdEncoding.DecodeString(data[:min(len(data), 64)&^3])
	if err != nil {
		return "", nil
	}
	return http.DetectContentType(head), head
}
