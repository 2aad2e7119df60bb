package bedrock

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// user makes the blocks of what the user says, and of the results of tools, which are the user's to say. What follows a result
// in a tool's message is part of it.
func (b *builder) user(parts []llm.Part, index int, tool bool) []block {
	var out []block
	result := -1 // in out
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartToolResult:
			out, result = b.result(out, p, index)
			continue
		case llm.PartText, llm.PartBlob, llm.PartURI:
		case llm.PartFile: // Check has told
			continue
		case llm.PartServerTool, llm.PartOther:
			b.lose(llm.FieldContent, "Bedrock's Converse API has nothing like it")
			continue
		default:
			b.fail(refuseAt("messages", index, "holds what only a model can have said"))
			continue
		}
		switch {
		case tool && result < 0:
			b.fail(refuseAt("messages", index, "holds content that is no tool's result"))
		case tool:
			x := out[result].ToolResult
			x.Content = b.piece(x.Content, p, true)
		default:
			out = b.piece(out, p, false)
		}
	}
	return out
}

// piece appends a text or media, within the result of a tool or not.
func (b *builder) piece(dst []block, p *llm.Part, inResult bool) []block {
	n := len(dst)
	if p.Kind == llm.PartText {
		dst = b.text(dst, p)
	} else {
		dst = b.media(dst, p, inResult)
	}
	if inResult && len(dst) > n && dst[len(dst)-1].CachePoint != nil {
		b.lose(llm.FieldCache, "within the result of a tool, Bedrock takes no marks")
		dst = dst[:len(dst)-1]
	}
	return dst
}

// result appends the result of a tool, or to it when its text comes as several parts, and tells where it is.
func (b *builder) result(dst []block, p *llm.Part, index int) ([]block, int) {
	id := b.ids.result(p)
	if id == "" {
		b.fail(refuseAt("messages", index, "holds the result of a tool that was not called"))
	}
	at := slices.IndexFunc(dst, func(x block) bool { return x.ToolResult != nil && x.ToolResult.ID == id })
	if at < 0 {
		at = len(dst)
		dst = append(dst, block{ToolResult: &toolResult{ID: id, Content: []block{}}})
	}
	x := dst[at].ToolResult
	x.Content = b.text(x.Content, &llm.Part{Text: p.Text})
	if p.IsError {
		x.Status = "error"
	}
	return b.marked(dst, p), at
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
			out = b.marked(append(out, block{ToolUse: &toolUse{ID: b.ids.call(p), Name: p.Name, Input: input}}), p)
		case llm.PartToolResult:
			b.fail(refuseAt("messages", index, "holds the result of a tool, which a model cannot have said"))
		case llm.PartBlob, llm.PartURI:
			out = b.media(out, p, false)
		case llm.PartServerTool, llm.PartOther:
			b.lose(llm.FieldContent, "Bedrock's Converse API has nothing like it")
		}
	}
	return out
}

// reasoning appends what the model thought. Anthropic's models take back only what they signed.
func (b *builder) reasoning(dst []block, p *llm.Part) []block {
	n := len(dst)
	switch {
	case p.Signature == "" && p.Text != "" && b.family == claude:
		b.lose(llm.FieldReasoning, "Anthropic's models take back only the reasoning that they have signed")
	case p.Signature != "" || p.Text != "":
		dst = append(dst, block{Reasoning: &reasoning{Text: &reasoningText{Text: p.Text, Signature: p.Signature}}})
	}
	if p.Data != "" {
		dst = append(dst, block{Reasoning: &reasoning{Redacted: p.Data}})
	}
	if len(dst) > n {
		return b.marked(dst, p)
	}
	return dst
}

// media appends an image, a document, a video or audio, by its media type.
func (b *builder) media(dst []block, p *llm.Part, inResult bool) []block {
	field := p.MediaField()
	if inResult {
		field = llm.FieldToolResultMedia
	}
	m := media{Source: source{Bytes: p.Data}}
	mime := p.MIME
	switch {
	case p.Kind == llm.PartURI && strings.HasPrefix(p.URI, "s3://"):
		m.Source = source{S3: &object{p.URI}}
	case p.Kind == llm.PartURI:
		head, data, ok := strings.Cut(strings.TrimPrefix(p.URI, "data:"), ",")
		if !ok || !strings.HasPrefix(p.URI, "data:") || !strings.HasSuffix(head, ";base64") {
			b.lose(field, "Bedrock fetches nothing from the web: it takes the data itself, in base64, and s3:// URIs")
			return dst
		}
		mime, m.Source.Bytes = head, data
	}
	if mime == "" || mime == "image/*" || mime == "application/octet-stream" {
		mime = sniff(m.Source.Bytes)
	}
	f, ok := formatOf(mime)
	if !ok || inResult && f.kind == kindAudio {
		b.lose(field, fmt.Sprintf("Bedrock's Converse API has no format for content of the type %q there", mime))
		return dst
	}
	m.Format = f.name
	switch f.kind {
	case kindDocument:
		m.Name = b.documentName(p.Name)
		dst = append(dst, block{Document: &m})
	case kindVideo:
		dst = append(dst, block{Video: &m})
	case kindAudio:
		dst = append(dst, block{Audio: &m})
	default:
		dst = append(dst, block{Image: &m})
	}
	return b.marked(dst, p)
}

// maxDocumentName bounds the name of a document, in bytes (API reference, DocumentBlock).
const maxDocumentName = 200

// documentName makes name valid: letters, digits, single white space, hyphens, parentheses and square brackets, and each once in
// a request (API reference, DocumentBlock). A document without a name gets one.
func (b *builder) documentName(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i] // its extension is the format
	}
	name = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-()[]", r) {
			return r
		}
		return ' '
	}, name)), " ")
	if name == "" {
		name = "document"
	}
	name = strings.TrimSpace(name[:min(len(name), maxDocumentName-8)])
	unique := name
	for n := 2; b.names[unique]; n++ {
		unique = name + " " + strconv.Itoa(n)
	}
	if b.names == nil {
		b.names = map[string]bool{}
	}
	b.names[unique] = true
	return unique
}

// callIDs gives the calls of tools ids that Bedrock takes: at most 64 letters, digits, _ and -, each once (API reference,
// ToolUseBlock). Dialects that join calls and results by name have none. The zero value is ready to use.
type callIDs struct {
	calls []called // of the turn
	used  map[string]bool
	seen  bool // there is a call or a result, for which Bedrock wants the tools
}

type called struct {
	raw, name, id string
	answered      bool
}

// turn begins a turn of the model: results answer the calls of the turn before them.
func (c *callIDs) turn() { c.calls = c.calls[:0] }

// call is the id of the call p.
func (c *callIDs) call(p *llm.Part) string {
	c.seen = true
	base := cleanID(p.ID)
	id := base
	if base == "" {
		base = "tooluse"
	}
	for n := len(c.used); id == "" || c.used[id]; n++ {
		id = base[:min(len(base), 56)] + "_" + strconv.Itoa(n)
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
	c.seen = true
	for pass := range 2 {
		for i := range c.calls {
			x := &c.calls[i]
			same := p.Name == "" || x.name == p.Name
			if p.ID != "" && x.raw != "" {
				same = x.raw == p.ID
			}
			if same && (!x.answered || pass == 1 && p.ID != "") {
				x.answered = true
				return x.id
			}
		}
	}
	return cleanID(p.ID)
}

func cleanID(id string) string {
	id = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
	return id[:min(len(id), 64)]
}
