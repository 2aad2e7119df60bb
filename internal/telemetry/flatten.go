package telemetry

import (
	"strconv"

	"github.com/spanway/spanway/internal/llm"
)

// hiddenText stands for what an OPENINFERENCE_HIDE variable hides (OpenInference, Trace Configuration).
const hiddenText = "__REDACTED__"

// mimeJSON is the type of input.value and output.value.
const mimeJSON = "application/json"

// setContent records the conversation as OpenInference flattens it (Semantic Conventions, Attribute Naming Conventions):
// one attribute for each role, text, tool call and tool. Texts are masked and cut as in the GenAI conventions' attributes; where that
// is not enough, the oldest messages are left out.
func (o *openInference) setContent(s *Span, r *llm.Request, res *llm.Result) {
	embeds := r != nil && r.Op == llm.OpEmbeddings
	if r != nil {
		if c, err := r.Conversation(); err == nil && c != nil {
			o.setInput(s, c, embeds)
		}
	}
	if res == nil || embeds {
		return
	}
	messages := res.Messages()
	o.setValue(s, OutputValue, OutputMIMEType, &o.output, maxOutput, len(messages), func(w *contentWriter, i int) {
		w.output(&messages[i])
	})
	if !o.output.messages {
		f := flattener{prefix: "llm.output_messages.", hide: &o.output}
		s.flatten(&f, maxOutput, len(messages), func(i int) { f.message(&messages[i]) })
	}
}

func (o *openInference) setInput(s *Span, c *llm.Conversation, embeds bool) {
	messages := c.Messages
	if len(c.System) > 0 {
		messages = append([]llm.Message{{Role: llm.RoleSystem, Parts: c.System}}, messages...)
	}
	o.setValue(s, InputValue, InputMIMEType, &o.input, maxInput, len(messages), func(w *contentWriter, i int) {
		w.message(&messages[i])
	})
	if !o.input.messages {
		f := flattener{prefix: "llm.input_messages.", hide: &o.input}
		flat := f.message
		if embeds {
			f.prefix, flat = "embedding.embeddings.", f.embedding
		}
		s.flatten(&f, maxInput, len(messages), func(i int) { flat(&messages[i]) })
	}
	if !o.hideTools {
		f := flattener{prefix: "llm.tools.", hide: &o.input}
		s.flatten(&f, maxTools, len(c.Tools), func(i int) { f.tool(&c.Tools[i]) })
	}
}

// setValue sets k to a JSON array of the n messages that write makes.
func (o *openInference) setValue(s *Span, k, mime Key, hide *visibility, limit, n int, write func(*contentWriter, int)) {
	switch {
	case n == 0:
	case hide.value:
		s.String(k, hiddenText)
	default:
		s.content(k, limit, n, write)
		s.String(mime, mimeJSON)
	}
}

// flatten adds to s what write makes f add for each of n elements, at most limit bytes of names and values: with ever shorter
// texts, then from ever later elements on, for the end of a conversation says most.
func (s *Span) flatten(f *flattener, limit, n int, write func(int)) {
	f.w.leaf = maxLeaf
	cut := false
	for first := 0; ; cut = true {
		f.out, f.next, f.size, f.w.cut = f.out[:0], 0, 0, false
		for i := first; i < n && f.size <= limit; i++ {
			write(i)
		}
		if f.size <= limit {
			break
		}
		if f.w.leaf > minLeaf {
			f.w.leaf = max(f.w.leaf/4, minLeaf)
		} else {
			first += (n - first + 1) / 2
		}
	}
	if cut || f.w.cut {
		s.Bool(SpanwayTruncated, true)
	}
	s.Named = append(s.Named, f.out...)
}

// flattener makes attributes of one list.
type flattener struct {
	prefix string // of the list, with a dot at its end
	hide   *visibility
	w      contentWriter // masks and cuts
	next   int           // index of the list's next element
	out    []NamedAttr
	size   int // bytes of out
}

// element begins the list's next element and returns the beginning of its names.
func (f *flattener) element(kind string) string {
	base := f.prefix + strconv.Itoa(f.next) + "." + kind
	f.next++
	return base
}

// add adds value as it is; an empty one is none.
func (f *flattener) add(name, value string, isJSON bool) {
	if value != "" {
		f.out = append(f.out, NamedAttr{Name: name, Value: value, JSON: isJSON})
		f.size += len(name) + len(value)
	}
}

// text adds value masked and cut.
func (f *flattener) text(name, value string) { f.add(name, f.w.clip(value), false) }

// content adds what was said, which may be hidden.
func (f *flattener) content(name, value string) {
	if f.hide.text && value != "" {
		value = hiddenText
	}
	f.text(name, value)
}

// value adds raw, which is JSON with its texts masked and cut, or else any text.
func (f *flattener) value(name, raw string) {
	if !isJSON(raw) {
		f.text(name, raw)
		return
	}
	f.w.b = f.w.b[:0]
	f.w.value(raw)
	f.add(name, string(f.w.b), true)
}

// message flattens m. Each result of a tool becomes a message of its own: it has an id of its own.
func (f *flattener) message(m *llm.Message) {
	var contents, calls []*llm.Part
	results := 0
	for i := range m.Parts {
		switch p := &m.Parts[i]; p.Kind {
		case llm.PartToolResult:
			results++
			base := f.element("message.")
			f.add(base+"role", string(llm.RoleTool), false)
			f.text(base+"tool_call_id", p.ID)
			f.content(base+"content", p.Text)
		case llm.PartToolCall, llm.PartServerTool:
			calls = append(calls, p)
		default:
			contents = append(contents, p)
		}
	}
	if results > 0 && results == len(m.Parts) {
		return
	}
	base := f.element("message.")
	f.text(base+"role", string(m.Role))
	f.text(base+"name", m.Name)
	if len(contents) == 1 && isText(contents[0]) {
		f.content(base+"content", contents[0].Text)
	} else {
		for i, p := range contents {
			f.part(base+"contents."+strconv.Itoa(i)+".message_content.", p)
		}
	}
	for i, p := range calls {
		call := base + "tool_calls." + strconv.Itoa(i) + ".tool_call."
		f.text(call+"id", p.ID)
		f.text(call+"function.name", p.Name)
		f.value(call+"function.arguments", p.Text)
	}
}

func isText(p *llm.Part) bool { return p.Kind == llm.PartText || p.Kind == llm.PartRefusal }

// part flattens one of several contents.
func (f *flattener) part(base string, p *llm.Part) {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		f.add(base+"type", "text", false)
		f.content(base+"text", p.Text)
	case llm.PartReasoning:
		f.add(base+"type", "reasoning", false)
		f.content(base+"text", p.Text)
	case llm.PartBlob:
		urn, _ := reference(p.Data)
		f.media(base, p.MIME, urn)
	case llm.PartURI:
		if mime, data, ok := dataURI(p); ok {
			urn, _ := reference(data)
			f.media(base, mime, urn)
		} else {
			f.media(base, p.MIME, RedactURL(p.URI))
		}
	case llm.PartFile:
		f.media(base, p.MIME, p.ID)
	default:
		f.text(base+"type", orElse(p.Name, "unknown"))
		if len(p.Raw) > 0 && !f.hide.text {
			f.value(base+"text", string(p.Raw))
		}
	}
}

// media tells where data is, or by its hash what it was.
func (f *flattener) media(base, mime, where string) {
	kind := modality(mime)
	f.add(base+"type", kind, false)
	switch kind {
	case "document":
		f.text(base+"document.document.id", where)
		return
	case "image":
		if f.hide.images {
			where = hiddenText
		}
	case "audio":
		f.text(base+"audio.audio.mime_type", mime)
	}
	f.text(base+kind+"."+kind+".url", where)
}

// embedding flattens the texts of one input.
func (f *flattener) embedding(m *llm.Message) {
	for i := range m.Parts {
		if m.Parts[i].Kind == llm.PartText {
			f.content(f.element("embedding.")+"text", m.Parts[i].Text)
		}
	}
}

// tool adds t's definition: a function as OpenAI's Chat Completions API has it, which is the form that readers know.
func (f *flattener) tool(t *llm.Tool) {
	w := &f.w
	w.b = w.b[:0]
	if t.Raw != nil {
		w.tool(t)
	} else {
		w.raw(`{"type":"function","function":{"name":`)
		w.text(t.Name)
		w.member("description", t.Description)
		if len(t.Schema) > 0 {
			w.raw(`,"parameters":`)
			w.value(string(t.Schema))
		}
		w.raw(`}}`)
	}
	f.add(f.element("tool.json_schema"), string(w.b), true)
}
