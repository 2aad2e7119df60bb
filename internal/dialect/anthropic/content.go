package anthropic

import (
	"encoding/base64"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Where the members of blocks stand, for the names of those without a neutral form.
const (
	inSystem   = "system"
	inMessages = "messages.content"
)

func (d bodyReader) messages(v []byte) error {
	if jsonscan.IsNull(v) {
		return nil
	}
	it := jsonscan.Array(v)
	for it.Next() {
		m, ok := scan(it.Value())
		if !ok {
			return refuse("messages", "messages: expected a list of objects")
		}
		if err := d.message(&m); err != nil {
			return err
		}
		for it := jsonscan.Object(it.Value()); it.Next(); {
			if key := string(it.Key()); key != "role" && key != "content" {
				d.extra("messages."+key, it.Value())
			}
		}
	}
	if it.Err() != nil {
		return refuse("messages", "messages: expected a list")
	}
	return nil
}

func roleOf(v []byte) llm.Role {
	switch string(word(v)) {
	case "assistant":
		return llm.RoleAssistant
	case "system":
		return llm.RoleSystem
	}
	return llm.RoleUser
}

// message appends a turn, cut where results of tools begin and end.
func (d bodyReader) message(m *fields) error {
	role, c := roleOf(m.role), d.c
	if jsonscan.KindOf(m.content) != jsonscan.List {
		parts, err := d.content(nil, m.content, inMessages)
		c.Messages = append(c.Messages, llm.Message{Role: role, Parts: parts})
		return err
	}
	first := len(c.Messages)
	err := d.blocks(m.content, inMessages, func(b *fields, raw []byte) error {
		as := role
		if string(word(b.typ)) == "tool_result" {
			as = llm.RoleTool
		}
		if n := len(c.Messages); n == first || c.Messages[n-1].Role != as {
			c.Messages = append(c.Messages, llm.Message{Role: as})
		}
		last := &c.Messages[len(c.Messages)-1]
		var err error
		last.Parts, err = d.block(last.Parts, b, raw, inMessages)
		return err
	})
	if len(c.Messages) == first {
		c.Messages = append(c.Messages, llm.Message{Role: role})
	}
	return err
}

// content appends the parts of a content: a string, or a list of blocks.
func (d bodyReader) content(dst []llm.Part, v []byte, where string) ([]llm.Part, error) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Invalid, jsonscan.Null:
		return dst, nil
	case jsonscan.Text:
		return append(dst, llm.Part{Text: jsonscan.String(v)}), nil
	}
	err := d.blocks(v, where, func(b *fields, raw []byte) (err error) {
		dst, err = d.block(dst, b, raw, where)
		return err
	})
	return dst, err
}

// blocks calls do for each block of the list v.
func (d bodyReader) blocks(v []byte, where string, do func(b *fields, raw []byte) error) error {
	param, _, _ := strings.Cut(where, ".")
	it := jsonscan.Array(v)
	for it.Next() {
		b, ok := scan(it.Value())
		if !ok {
			return refuse(param, "%s: expected content blocks", param)
		}
		if err := do(&b, it.Value()); err != nil {
			return err
		}
	}
	if it.Err() != nil {
		return refuse(param, "%s: expected a string or a list of content blocks", param)
	}
	return nil
}

// block appends the parts of one block, whose JSON is raw. Search results, documents that are made of blocks, and what is
// the provider's own are parts of its own kind.
func (d bodyReader) block(dst []llm.Part, b *fields, raw []byte, where string) ([]llm.Part, error) {
	typ := string(word(b.typ))
	d.rest(typ, raw, where)
	cache := d.cache(b.cache, where)
	if typ == "tool_result" {
		return d.result(dst, b, cache, where)
	}
	var p llm.Part
	if typ == "image" || typ == "document" {
		p = d.media(b, typ, raw, where)
	} else {
		var one pieces
		one.block(b, raw, 0)
		p = one.parts[0]
	}
	p.Cache = cache
	return append(dst, p), nil
}

// rest keeps the members of a block that its part does not tell.
func (d bodyReader) rest(typ string, raw []byte, where string) {
	for it := jsonscan.Object(raw); it.Next(); {
		key, v := string(it.Key()), it.Value()
		if told(typ, key) {
			continue
		}
		switch key {
		case "citations": // of a document, or of what a model said
			if !jsonscan.Bool(jsonscan.Get(v, "enabled")) && empty(v) {
				continue
			}
		case "caller":
			if string(word(jsonscan.Get(v, "type"))) == "direct" {
				continue
			}
		}
		d.extra(where+"."+key, v)
	}
}

// empty reports whether v holds no elements.
func empty(v []byte) bool {
	it := jsonscan.Array(v)
	return !it.Next()
}

// told reports whether the part of a block of type typ tells of its member.
func told(typ, member string) bool {
	if member == "type" || member == "cache_control" {
		return true
	}
	switch typ {
	case "text":
		return member == "text"
	case "thinking":
		return member == "thinking" || member == "signature"
	case "redacted_thinking":
		return member == "data"
	case "image":
		return member == "source"
	case "document":
		return member == "source" || member == "title"
	case "tool_use":
		return member == "id" || member == "name" || member == "input"
	case "tool_result":
		return member == "tool_use_id" || member == "content" || member == "is_error"
	}
	return true
}

// result appends the result of a tool: its texts as one part, and what else it holds after it. The mark of a cache at its
// last text is the result's own.
func (d bodyReader) result(dst []llm.Part, b *fields, cache, where string) ([]llm.Part, error) {
	inner, err := d.content(nil, b.content, where)
	if err != nil {
		return nil, err
	}
	at := len(dst)
	dst = append(dst, llm.Part{Kind: llm.PartToolResult, ID: jsonscan.String(b.toolUseID), IsError: jsonscan.Bool(b.isError), Cache: cache})
	var texts []string
	for i, p := range inner {
		switch {
		case p.Kind != llm.PartText:
			dst = append(dst, p)
			continue
		case p.Cache == "":
		case i == len(inner)-1 && cache == "":
			dst[at].Cache = p.Cache
		default:
			d.extra(where+".tool_result.content.cache_control", []byte(`"`+p.Cache+`"`))
		}
		texts = append(texts, p.Text)
	}
	dst[at].Text = strings.Join(texts, "\n")
	return dst, nil
}

// media is the part of an image or a document. One of plain text is a blob, as those of other media types are.
func (d bodyReader) media(b *fields, typ string, raw []byte, where string) llm.Part {
	s, _ := scan(b.source)
	p := llm.Part{}
	if typ == "document" {
		p.Name = jsonscan.String(b.title)
	}
	var mime, uri, file []byte
	d.object(where+".source", b.source, func(key string, v []byte) bool {
		switch key {
		case "media_type":
			mime = v
		case "url":
			uri = v
		case "file_id":
			file = v
		case "type", "data", "content":
		default:
			return false
		}
		return true
	})
	p.MIME = jsonscan.String(mime)
	switch string(word(s.typ)) {
	case "base64":
		p.Kind, p.Data = llm.PartBlob, jsonscan.String(s.data)
	case "text":
		p.Kind, p.Data = llm.PartBlob, base64.StdEncoding.EncodeToString([]byte(jsonscan.String(s.data)))
		if p.MIME == "" {
			p.MIME = mimeText
		}
	case "url":
		p.Kind, p.URI, p.MIME = llm.PartURI, jsonscan.String(uri), mimeImage
		if typ == "document" {
			p.MIME = mimePDF
		}
	case "file":
		p.Kind, p.ID = llm.PartFile, jsonscan.String(file)
	default:
		p = llm.Part{Kind: llm.PartOther, Name: typ, Raw: raw}
	}
	return p
}
