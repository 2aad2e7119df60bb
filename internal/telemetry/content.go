package telemetry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Bounds of captured content. What is over is cut at the texts within, never the JSON around them.
const (
	maxLeaf      = 64 << 10 // bytes of one text
	maxInput     = 1 << 20  // bytes of gen_ai.input.messages
	maxOutput    = 512 << 10
	maxSystem    = 256 << 10
	maxTools     = 256 << 10
	minLeaf      = 64      // a text is not cut below this; elements are left out instead
	maxSecret    = 4 << 10 // bytes of a credential that is recognized although a cut goes through it
	truncatedEnd = "…[truncated]"
)

// SetContent records the conversation: gen_ai.input.messages, gen_ai.output.messages, gen_ai.system_instructions and
// gen_ai.tool.definitions, as JSON text after the schemas of the semantic conventions (GenAI, input and output messages).
// Credentials in texts are masked, binary data is replaced by its size and hash, and texts are cut so that each attribute
// stays within its bound. Either argument may be nil. It is for calls whose content the user wants captured.
func (s *Span) SetContent(r *llm.Request, res *llm.Result) {
	if r != nil {
		if c, err := r.Conversation(); err == nil && c != nil {
			s.content(GenAISystemInstructions, maxSystem, len(c.System), func(w *contentWriter, i int) {
				w.part(&c.System[i])
			})
			s.content(GenAIInputMessages, maxInput, len(c.Messages), func(w *contentWriter, i int) {
				w.message(&c.Messages[i])
			})
			s.content(GenAIToolDefinitions, maxTools, len(c.Tools), func(w *contentWriter, i int) {
				w.tool(&c.Tools[i])
			})
		}
	}
	if res != nil {
		messages := res.Messages()
		s.content(GenAIOutputMessages, maxOutput, len(messages), func(w *contentWriter, i int) {
			w.output(&messages[i])
		})
	}
}

// content sets k to a JSON array of n elements that write makes, at most limit bytes long.
func (s *Span) content(k Key, limit, n int, write func(*contentWriter, int)) {
	if n == 0 {
		return
	}
	w := contentWriter{leaf: maxLeaf}
	for {
		w.array(limit, n, write)
		if len(w.b) <= limit {
			break
		}
		w.leaf /= 4
		w.cut = true
		if w.leaf < minLeaf {
			w.newest(limit, n, write)
			break
		}
	}
	if w.cut {
		s.Bool(SpanwayTruncated, true)
	}
	s.String(k, string(w.b))
}

// contentWriter appends JSON.
type contentWriter struct {
	b    []byte
	leaf int  // bytes that a text may have
	cut  bool // something is not whole
}

// array writes the n elements, and stops once limit is passed: the caller tries again with shorter texts.
func (w *contentWriter) array(limit, n int, write func(*contentWriter, int)) {
	w.b = append(w.b[:0], '[')
	for i := 0; i < n && len(w.b) <= limit; i++ {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		write(w, i)
	}
	w.b = append(w.b, ']')
}

// newest writes the last elements that fit into limit with the shortest texts: the end of a conversation says most.
func (w *contentWriter) newest(limit, n int, write func(*contentWriter, int)) {
	w.leaf = minLeaf
	room, first := limit-2, n
	for first > 0 {
		w.b = w.b[:0]
		write(w, first-1)
		if room -= len(w.b) + 1; room < 0 {
			break
		}
		first--
	}
	w.array(limit, n-first, func(w *contentWriter, i int) { write(w, first+i) })
}

func (w *contentWriter) raw(s string) { w.b = append(w.b, s...) }

// text appends s as a JSON string, masked and cut.
func (w *contentWriter) text(s string) { w.b = jsonscan.AppendString(w.b, w.clip(s)) }

// clip returns s masked and cut.
func (w *contentWriter) clip(s string) string {
	// What lies far behind the cut needs no masking; a credential that the cut would split does.
	head := cutText(s, w.leaf+maxSecret)
	masked := maskSecrets(head)
	if len(masked) > w.leaf || len(head) < len(s) {
		masked, w.cut = cutText(masked, w.leaf)+truncatedEnd, true
	}
	return masked
}

// member appends a member with a text, preceded by a comma; an empty text none.
func (w *contentWriter) member(name, s string) {
	if s != "" {
		w.raw(`,"` + name + `":`)
		w.text(s)
	}
}

// value appends raw, which is JSON with its texts masked and cut, or else any text.
func (w *contentWriter) value(raw string) {
	if !isJSON(raw) {
		w.text(raw)
		return
	}
	w.json([]byte(raw))
}

func isJSON(s string) bool {
	return jsonscan.KindOf([]byte(strings.TrimSpace(s))) != jsonscan.Invalid && jsonscan.Validate([]byte(s)) == nil
}

// json appends v, valid JSON, with the texts in it masked and cut.
func (w *contentWriter) json(v []byte) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Text:
		w.text(jsonscan.String(v))
	case jsonscan.List:
		w.b = append(w.b, '[')
		for it, first := jsonscan.Array(v), true; it.Next(); first = false {
			if !first {
				w.b = append(w.b, ',')
			}
			w.json(it.Value())
		}
		w.b = append(w.b, ']')
	case jsonscan.Dict:
		w.b = append(w.b, '{')
		for it, first := jsonscan.Object(v), true; it.Next(); first = false {
			if !first {
				w.b = append(w.b, ',')
			}
			w.b = append(append(append(w.b, '"'), it.Key()...), '"', ':')
			w.json(it.Value())
		}
		w.b = append(w.b, '}')
	default:
		w.b = append(w.b, v...)
	}
}

func (w *contentWriter) message(m *llm.Message) {
	w.raw(`{"role":`)
	w.text(string(m.Role))
	w.member("name", m.Name)
	w.parts(m.Parts)
	w.raw(`}`)
}

// output is a message of a response, whose finish_reason the schema requires.
func (w *contentWriter) output(m *llm.Message) {
	w.raw(`{"role":`)
	w.text(string(m.Role))
	w.parts(m.Parts)
	w.raw(`,"finish_reason":`)
	w.text(m.Finish)
	w.raw(`}`)
}

func (w *contentWriter) parts(parts []llm.Part) {
	w.raw(`,"parts":[`)
	for i := range parts {
		if i > 0 {
			w.raw(`,`)
		}
		w.part(&parts[i])
	}
	w.raw(`]`)
}

func (w *contentWriter) part(p *llm.Part) {
	switch p.Kind {
	case llm.PartText:
		w.raw(`{"type":"text","content":`)
		w.text(p.Text)
	case llm.PartReasoning:
		w.raw(`{"type":"reasoning","content":`)
		w.text(p.Text)
	case llm.PartRefusal:
		w.raw(`{"type":"refusal","content":`)
		w.text(p.Text)
	case llm.PartToolCall:
		w.raw(`{"type":"tool_call","name":`)
		w.text(p.Name)
		w.member("id", p.ID)
		if p.Text != "" {
			w.raw(`,"arguments":`)
			w.value(p.Text)
		}
	case llm.PartToolResult:
		w.raw(`{"type":"tool_call_response","response":`)
		w.value(p.Text)
		w.member("id", p.ID)
	case llm.PartServerTool:
		w.serverTool(p)
	case llm.PartBlob:
		w.blob(p.MIME, p.Data)
	case llm.PartURI:
		w.uri(p)
	case llm.PartFile:
		w.raw(`{"type":"file","file_id":`)
		w.text(p.ID)
		w.media(p.MIME)
	default:
		w.raw(`{"type":`)
		w.text(orElse(p.Name, "unknown"))
		if jsonscan.KindOf(p.Raw) == jsonscan.Dict {
			w.raw(`,"content":`)
			w.value(string(p.Raw))
		}
	}
	w.raw(`}`)
}

func (w *contentWriter) serverTool(p *llm.Part) {
	w.raw(`{"type":"server_tool_call","name":`)
	w.text(p.Name)
	w.member("id", p.ID)
	w.raw(`,"server_tool_call":{"type":`)
	w.text(orElse(p.Name, "unknown"))
	if p.Text != "" {
		w.raw(`,"arguments":`)
		w.value(p.Text)
	}
	w.raw(`}`)
}

// uri appends a reference to data elsewhere; a data: URI holds the data itself.
func (w *contentWriter) uri(p *llm.Part) {
	if mime, data, ok := dataURI(p); ok {
		w.blob(mime, data)
		return
	}
	w.raw(`{"type":"uri","uri":`)
	w.text(RedactURL(p.URI))
	w.media(p.MIME)
}

// dataURI returns what p's data: URI holds, as base64, and its MIME type; ok is false for any other URI.
func dataURI(p *llm.Part) (mime, data string, ok bool) {
	rest, ok := strings.CutPrefix(p.URI, "data:")
	if !ok {
		return "", "", false
	}
	head, data, _ := strings.Cut(rest, ",")
	mime, isBase64 := strings.CutSuffix(head, ";base64")
	if !isBase64 {
		data = base64.StdEncoding.EncodeToString([]byte(data))
	}
	return orElse(p.MIME, mime), data, true
}

// blob appends base64 data as a reference: its size in bytes and its hash tell what it was without holding it.
func (w *contentWriter) blob(mime, data string) {
	urn, size := reference(data)
	w.raw(`{"type":"uri","uri":"` + urn + `","size":`)
	w.b = strconv.AppendInt(w.b, int64(size), 10)
	w.media(mime)
}

// reference names base64 data by its hash, and tells its size in bytes.
func reference(data string) (urn string, size int) {
	size, sum := digest(data)
	return "urn:sha256:" + hex.EncodeToString(sum[:]), size
}

// digest decodes data piece by piece; what is no base64 is counted and hashed as it stands.
func digest(data string) (size int, sum [sha256.Size]byte) {
	h := sha256.New()
	var buf [3 << 10]byte
	enc := base64.RawStdEncoding
	trimmed := strings.TrimRight(data, "=")
	for rest := trimmed; len(rest) > 0; {
		piece := rest[:min(len(rest), 4<<10)]
		rest = rest[len(piece):]
		n, err := enc.Decode(buf[:], []byte(piece))
		if err != nil {
			return len(data), sha256.Sum256([]byte(data))
		}
		h.Write(buf[:n])
		size += n
	}
	h.Sum(sum[:0])
	return size, sum
}

// media appends the MIME type and the modality, which the schema requires.
func (w *contentWriter) media(mime string) {
	w.raw(`,"modality":"` + modality(mime) + `"`)
	w.member("mime_type", mime)
}

// modality is image, audio, video or else document.
func modality(mime string) string {
	switch kind, _, _ := strings.Cut(mime, "/"); kind {
	case "image", "audio", "video":
		return kind
	}
	return "document"
}

func (w *contentWriter) tool(t *llm.Tool) {
	if t.Raw != nil {
		typ := orElse(jsonscan.String(jsonscan.Get(t.Raw, "type")), "custom")
		w.raw(`{"type":`)
		w.text(typ)
		w.raw(`,"name":`)
		w.text(orElse(orElse(t.Name, jsonscan.String(jsonscan.Get(t.Raw, "name"))), typ))
		w.raw(`,"description":`)
		w.text(t.Description)
		w.raw(`}`)
		return
	}
	w.raw(`{"type":"function","name":`)
	w.text(t.Name)
	w.raw(`,"description":`)
	w.text(t.Description)
	if len(t.Schema) > 0 {
		w.raw(`,"parameters":`)
		w.value(string(t.Schema))
	}
	w.raw(`}`)
}

// cutText returns the first n bytes of s or up to three fewer, so that no character is split.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
