package anthropic

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// Media types.
const (
	mimeImage = "image/*" // the API names none
	mimePDF   = "application/pdf"
	mimeText  = "text/plain"
)

// text appends the text of p, unless it is blank, which Anthropic refuses.
func (b *builder) text(dst []block, p *llm.Part) []block {
	if strings.TrimSpace(p.Text) == "" {
		if p.Cache != "" {
			b.lose(llm.FieldCache, "Anthropic takes no blank text, so none can be marked")
		}
		return dst
	}
	return append(dst, block{Type: "text", Text: p.Text, Cache: b.cache(p.Cache)})
}

// cache is the mark of a cache, as Part.Cache says it.
func (b *builder) cache(ttl string) *cacheControl {
	switch ttl {
	case "":
		return nil
	case "default":
		return &cacheControl{Type: "ephemeral"}
	case "5m", "1h":
		return &cacheControl{Type: "ephemeral", TTL: ttl}
	}
	b.lose(llm.FieldCache, "Anthropic caches for 5m or 1h")
	return nil
}

// user makes the blocks of what the user says, and of the results of tools, which are the user's to say. What follows a result
// in a tool's message is part of it.
func (b *builder) user(parts []llm.Part, index int, tool bool) []block {
	var out []block
	at := -1
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartToolResult:
			out, at = b.result(out, p, index)
			continue
		case llm.PartText, llm.PartBlob, llm.PartURI, llm.PartFile, llm.PartServerTool, llm.PartOther:
		default:
			b.fail(refuseAt("messages", index, "holds what only a model can have said"))
			continue
		}
		switch {
		case tool && at < 0:
			b.fail(refuseAt("messages", index, "holds content that is no tool's result"))
		case tool:
			out[at].Content = b.piece(out[at].Content, p, llm.FieldToolResultMedia)
		default:
			out = b.piece(out, p, "")
		}
	}
	return out
}

// piece appends a text, an image or a document. What is lost of it is a loss of field or, when that is "", of its own.
func (b *builder) piece(dst []block, p *llm.Part, field llm.Field) []block {
	switch p.Kind {
	case llm.PartText:
		return b.text(dst, p)
	case llm.PartBlob, llm.PartURI:
		return b.media(dst, p, field)
	}
	if field != "" { // else Check has told
		b.lose(field, "Anthropic takes texts, images and documents as the result of a tool")
	}
	return dst
}

// result appends the result of a tool, or to it when its text comes as several parts, and tells where it is.
func (b *builder) result(dst []block, p *llm.Part, index int) ([]block, int) {
	id := b.ids.result(p)
	if id == "" {
		b.fail(refuseAt("messages", index, "holds the result of a tool that was not called"))
	}
	at := slices.IndexFunc(dst, func(x block) bool { return x.ToolUseID == id && id != "" })
	if at < 0 {
		at = len(dst)
		dst = append(dst, block{Type: "tool_result", ToolUseID: id})
	}
	x := &dst[at]
	x.Content = b.text(x.Content, &llm.Part{Text: p.Text})
	x.IsError = x.IsError || p.IsError
	if c := b.cache(p.Cache); c != nil {
		x.Cache = c
	}
	return dst, at
}

func (b *builder) assistant(parts []llm.Part, index int) []block {
	if q := b.out.Messages; len(q) > 0 && q[len(q)-1].Role == "user" {
		b.ids.turn()
	}
	var out []block
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			out = b.text(out, p)
		case llm.PartReasoning:
			out = b.reasoning(out, p)
		case llm.PartToolCall:
			input, err := dialect.Arguments(p, http.StatusBadRequest)
			if err != nil {
				b.fail(refuseAt("messages", index, "the arguments of the tool call %q are not a JSON object", p.Name))
			}
			out = append(out, block{Type: "tool_use", ID: b.ids.call(p), Name: p.Name, Input: input, Cache: b.cache(p.Cache)})
		case llm.PartToolResult:
			b.fail(refuseAt("messages", index, "holds the result of a tool, which an Anthropic model cannot have said"))
		case llm.PartBlob, llm.PartURI:
			if f := p.MediaField(); slices.Contains(carried, f) { // else Check has told
				b.lose(f, "Anthropic's models say no images and documents")
			}
		}
	}
	return out
}

// reasoning appends what Anthropic has signed, or encrypted.
func (b *builder) reasoning(dst []block, p *llm.Part) []block {
	if p.Cache != "" {
		b.lose(llm.FieldCache, "Anthropic's thinking cannot be marked")
	}
	switch {
	case p.Signature != "":
		dst = append(dst, block{Type: "thinking", Thinking: &p.Text, Signature: &p.Signature})
	case p.Text != "" || p.Data == "":
		b.lose(llm.FieldReasoning, "Anthropic takes back only the reasoning that it has signed")
	}
	if p.Data != "" {
		dst = append(dst, block{Type: "redacted_thinking", Data: p.Data})
	}
	return dst
}

// media appends an image or a document, by its media type.
func (b *builder) media(dst []block, p *llm.Part, field llm.Field) []block {
	own := p.MediaField()
	if field == "" && !slices.Contains(carried, own) {
		return dst // Check has told
	}
	if field == "" {
		field = own
	}
	x := block{Type: "image", Cache: b.cache(p.Cache)}
	mime, _, _ := strings.Cut(strings.ToLower(p.MIME), ";")
	data := p.Data
	if p.Kind == llm.PartURI {
		head, inline, ok := strings.Cut(strings.TrimPrefix(p.URI, "data:"), ",")
		switch {
		case strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://"):
			return b.linked(dst, x, p, mime, field)
		case !ok || !strings.HasPrefix(p.URI, "data:") || !strings.HasSuffix(head, ";base64"):
			b.lose(field, "Anthropic takes URLs that are https or http, and data: in base64")
			return dst
		}
		mime, _, _ = strings.Cut(strings.ToLower(head), ";")
		data = inline
	}
	if mime == "" {
		mime = sniff(data)
	}
	x.Source = &source{Type: "base64", MediaType: mime, Data: data}
	switch mime {
	case "image/jpg":
		x.Source.MediaType = "image/jpeg"
	case "image/jpeg", "image/png", "image/gif", "image/webp":
	case mimePDF:
		x.Type, x.Title = "document", p.Name
	default:
		if !strings.HasPrefix(mime, "text/") {
			b.lose(field, "Anthropic takes JPEG, PNG, GIF and WebP images, PDF documents and text")
			return dst
		}
		if mime != mimeText {
			b.lose(field, "Anthropic takes all text as text/plain")
		}
		text, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			b.fail(refuse(b.r.Field(field), "%s: a text is not base64", b.r.Field(field)))
		}
		x.Type, x.Title = "document", p.Name
		x.Source = &source{Type: "text", MediaType: mimeText, Data: string(text)}
	}
	return append(dst, x)
}

// linked appends an image or a PDF document that the provider is to fetch.
func (b *builder) linked(dst []block, x block, p *llm.Part, mime string, field llm.Field) []block {
	x.Source = &source{Type: "url", URL: p.URI}
	switch {
	case mime == "" || strings.HasPrefix(mime, "image/"):
	case mime == mimePDF:
		x.Type, x.Title = "document", p.Name
	default:
		b.lose(field, "Anthropic fetches images and PDF documents")
		return dst
	}
	return append(dst, x)
}

// sniff is the media type of data, which is base64, by its first bytes; "" when they are not those of an image or a PDF
// document.
func sniff(data string) string {
	head, err := base64.StdEncoding.DecodeString(data[:min(len(data), 64)&^3])
	if mime := http.DetectContentType(head); err == nil && (mime == mimePDF || strings.HasPrefix(mime, "image/")) {
		return mime
	}
	return ""
}

// callIDs gives the calls of tools ids that the API takes: letters, digits, _ and -, each once (API reference, Messages,
// tool_use). Dialects that join calls and results by name have none. The zero value is ready to use.
type callIDs struct {
	calls    []called // of the turn
	answered int      // so many of calls, from the first, have their result
	used     map[string]bool
}

type called struct {
	raw, name, id string
	answered      bool
}

// turn begins a turn of the model: results answer the calls of the turn before them.
func (c *callIDs) turn() { c.calls, c.answered = c.calls[:0], 0 }

// call is the id of the call p.
func (c *callIDs) call(p *llm.Part) string {
	base := cleanID(p.ID)
	if base == "" {
		base = "toolu"
	}
	id := base
	for n := len(c.used); c.used[id] || p.ID == "" && id == base; n++ {
		id = base + "_" + strconv.Itoa(n)
	}
	if c.used == nil {
		c.used = map[string]bool{}
	}
	c.used[id] = true
	c.calls = append(c.calls, called{raw: p.ID, name: p.Name, id: id})
	return id
}

// result is the id of the call that p is the result of: the one of its id, else the first of its name without a result, else
// its own id, "" when it has none.
func (c *callIDs) result(p *llm.Part) string {
	at := -1
	for i := c.answered; i < len(c.calls) && at < 0; i++ {
		x := &c.calls[i]
		same := x.name == p.Name || p.Name == "" && x.raw == ""
		if p.ID != "" && x.raw != "" {
			same = x.raw == p.ID
		}
		if same && !x.answered {
			at = i
		}
	}
	if at < 0 {
		at = slices.IndexFunc(c.calls, func(x called) bool { return p.ID != "" && x.raw == p.ID })
	}
	if at < 0 {
		return cleanID(p.ID)
	}
	c.calls[at].answered = true
	for c.answered < len(c.calls) && c.calls[c.answered].answered {
		c.answered++
	}
	return c.calls[at].id
}

func cleanID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
}
