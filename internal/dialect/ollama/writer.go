package ollama

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// NewWriter implements llm.Inbound for /api/chat, /api/embed and /api/embeddings. Of a chat it writes the first choice; tool calls
// are written whole, and the last object, with its counts, by Close, since other providers report usage after the end of the
// text. Durations, which only the one that runs a model knows, are left out.
func (Dialect) NewWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	switch r.API {
	case llm.OllamaChat:
		return &writer{stream: r.Stream, loss: loss, model: r.Model}, nil
	case llm.OllamaEmbed:
		return &embedWriter{model: r.Model, list: jsonscan.Get(r.Raw, "input") != nil}, nil
	}
	return nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be answered by another provider.", r.API)
}

type writer struct {
	stream   bool
	loss     *llm.Loss
	model    string
	content  []byte // what is not written yet, as are the next
	thinking []byte
	images   []string
	done     []llm.Part // tool calls that are complete
	logprobs []llm.Logprob
	calls    dialect.Calls
	called   int // tool calls so far
	finish   string
	usage    llm.Usage
	err      *llm.Error // the provider's, in the middle of its response
	size     int        // bytes held
}

// ContentType implements llm.Writer.
func (w *writer) ContentType() string {
	if w.stream {
		return "application/x-ndjson"
	}
	return "application/json; charset=utf-8"
}

// Write implements llm.Writer.
func (w *writer) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.model = cmp.Or(ev.Model, w.model)
	if ev.Usage != nil {
		w.counts(ev.Usage)
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	for i := range ev.Parts {
		p := &ev.Parts[i]
		if p.Choice != 0 {
			w.loss.Lost("choices")
		}
		if p.Choice != 0 || p.Repeat {
			continue
		}
		if err := w.part(p); err != nil {
			return dst, err
		}
	}
	for i := range ev.Choices {
		if c := &ev.Choices[i]; c.Index == 0 {
			w.choice(c)
		}
	}
	if w.finish != "" {
		if err := w.take(); err != nil {
			return dst, err
		}
	}
	if !w.stream || !w.waits() {
		return dst, nil
	}
	return append(w.object(dst, false), '\n'), nil
}

// counts keeps u, of which the last object has the two totals.
func (w *writer) counts(u *llm.Usage) {
	w.usage = *u
	for _, detail := range [...]struct {
		name string
		n    int64
	}{{"usage.cache_read", u.CacheRead.V}, {"usage.cache_write", u.CacheWrite.V}, {"usage.reasoning", u.Reasoning.V}} {
		if detail.n > 0 {
			w.loss.Lost(detail.name)
		}
	}
}

func (w *writer) choice(c *llm.Choice) {
	if c.Stop != "" {
		w.loss.Lost("stop_sequence")
	}
	switch llm.FinishOf(c.Finish) {
	case llm.FinishLength:
		w.finish = "length"
	case llm.FinishFilter:
		w.loss.Lost("finish_reason")
		w.finish = "stop"
	default:
		if c.Finish != "" {
			w.finish = "stop"
		}
	}
}

func (w *writer) part(p *llm.Part) error {
	if w.size += len(p.Text) + len(p.Data) + 32*len(p.Logprobs); w.size > llm.MaxBody {
		return llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's response is too large.")
	}
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		if p.Kind == llm.PartRefusal {
			w.loss.Lost("refusal") // it is told as text
		}
		w.content = append(w.content, p.Text...)
		w.logprobs = append(w.logprobs, p.Logprobs...)
	case llm.PartReasoning:
		w.thinking = append(w.thinking, p.Text...)
		if p.Signature != "" {
			w.loss.Lost("reasoning.signature")
		}
		if p.Data != "" {
			w.loss.Lost("reasoning.encrypted")
		}
	case llm.PartToolCall:
		return w.calls.Add(p)
	case llm.PartBlob:
		if strings.HasPrefix(p.MIME, "image/") {
			w.images = append(w.images, p.Data)
			return nil
		}
		w.loss.Lost("content")
	case llm.PartServerTool:
		w.loss.Lost("server_tool")
	default:
		w.loss.Lost(cmp.Or(p.Name, "content"))
	}
	return nil
}

// take moves the calls, which are complete, to what is to be written.
func (w *writer) take() error {
	for _, p := range w.calls.Take(0) {
		args, err := dialect.Arguments(&p, http.StatusBadGateway)
		if err != nil {
			return err
		}
		p.Text, p.Index = string(args), w.called
		w.called++
		w.done = append(w.done, p)
	}
	return nil
}

// waits reports whether something of the message is to be written.
func (w *writer) waits() bool {
	return len(w.content)+len(w.thinking)+len(w.images)+len(w.done)+len(w.logprobs) > 0
}

// Close implements llm.Writer.
func (w *writer) Close(dst []byte, e *llm.Error) ([]byte, error) {
	d := Dialect{}
	if e == nil {
		e = w.err
	}
	if e != nil && !w.usage.IsZero() {
		w.loss.Lost("usage")
	}
	switch {
	case e != nil && w.stream:
		return append(append(dst, d.Error(e)...), '\n'), nil
	case e != nil:
		return append(dst, d.Error(e)...), nil
	}
	if err := w.take(); err != nil {
		return dst, err
	}
	if !w.stream {
		return w.object(dst, true), nil
	}
	if w.waits() {
		dst = append(w.object(dst, false), '\n')
	}
	return append(w.object(dst, true), '\n'), nil
}

// object appends an object with the message that is kept, the last one with the reason of the end and the counts.
func (w *writer) object(dst []byte, last bool) []byte {
	dst = jsonscan.AppendString(append(dst, `{"model":`...), w.model)
	dst = time.Now().UTC().AppendFormat(append(dst, `,"created_at":"`...), time.RFC3339Nano)
	dst = jsonscan.AppendString(append(dst, `","message":{"role":"assistant","content":`...), string(w.content))
	if len(w.thinking) > 0 {
		dst = jsonscan.AppendString(append(dst, `,"thinking":`...), string(w.thinking))
	}
	for i, data := range w.images {
		dst = append(dst, separator(i, `,"images":[`)...)
		dst = jsonscan.AppendString(dst, data)
	}
	dst = closeList(dst, len(w.images))
	for i := range w.done {
		dst = appendCall(append(dst, separator(i, `,"tool_calls":[`)...), &w.done[i])
	}
	dst = append(closeList(dst, len(w.done)), '}')
	for i := range w.logprobs {
		dst = appendLogprob(append(dst, separator(i, `,"logprobs":[`)...), &w.logprobs[i])
	}
	dst = closeList(dst, len(w.logprobs))
	if !last {
		dst = append(dst, `,"done":false}`...)
	} else {
		if w.finish != "" {
			dst = jsonscan.AppendString(append(dst, `,"done_reason":`...), w.finish)
		}
		dst = append(dst, `,"done":true`...)
		dst = appendCount(dst, "prompt_eval_count", w.usage.Input)
		dst = append(appendCount(dst, "eval_count", w.usage.Output), '}')
	}
	w.content, w.thinking, w.images, w.done, w.logprobs, w.size = w.content[:0], w.thinking[:0], w.images[:0], w.done[:0], w.logprobs[:0], 0
	return dst
}

// separator is what comes before the i-th element of a list that begins with open.
func separator(i int, open string) string {
	if i == 0 {
		return open
	}
	return ","
}

func closeList(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return append(dst, ']')
}

func appendCall(dst []byte, p *llm.Part) []byte {
	dst = append(dst, '{')
	if p.ID != "" {
		dst = append(jsonscan.AppendString(append(dst, `"id":`...), p.ID), ',')
	}
	dst = strconv.AppendInt(append(dst, `"function":{"index":`...), int64(p.Index), 10)
	dst = jsonscan.AppendString(append(dst, `,"name":`...), p.Name)
	return append(append(append(dst, `,"arguments":`...), p.Text...), "}}"...)
}

func appendLogprob(dst []byte, p *llm.Logprob) []byte {
	dst = jsonscan.AppendString(append(dst, `{"token":`...), p.Token)
	dst = strconv.AppendFloat(append(dst, `,"logprob":`...), p.Logprob, 'g', -1, 64)
	for i, b := range p.Bytes {
		dst = strconv.AppendInt(append(dst, separator(i, `,"bytes":[`)...), int64(b), 10)
	}
	dst = closeList(dst, len(p.Bytes))
	for i := range p.Top {
		dst = appendLogprob(append(dst, separator(i, `,"top_logprobs":[`)...), &p.Top[i])
	}
	return append(closeList(dst, len(p.Top)), '}')
}

func appendCount(dst []byte, name string, n llm.Opt[int64]) []byte {
	if !n.Set {
		return dst
	}
	dst = append(jsonscan.AppendString(append(dst, ','), name), ':')
	return strconv.AppendInt(dst, n.V, 10)
}

// embedWriter writes the answer of /api/embed, or of /api/embeddings, which knows one vector.
type embedWriter struct {
	model   string
	list    bool
	vectors [][]byte
	usage   llm.Usage
	err     *llm.Error
	size    int
}

// ContentType implements llm.Writer.
func (*embedWriter) ContentType() string { return "application/json; charset=utf-8" }

// Write implements llm.Writer.
func (w *embedWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.model = cmp.Or(ev.Model, w.model)
	for _, v := range ev.Vectors {
		if w.size += len(v); w.size > llm.MaxBody {
			return dst, llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's embeddings are too large.")
		}
		w.vectors = append(w.vectors, slices.Clone(v))
	}
	if ev.Usage != nil {
		w.usage = *ev.Usage
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	return dst, nil
}

// Close implements llm.Writer.
func (w *embedWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	switch {
	case e != nil:
		return append(dst, Dialect{}.Error(e)...), nil
	case !w.list && len(w.vectors) != 1:
		return dst, llm.Errorf(http.StatusBadGateway, "invalid_response", "The provider answered one prompt with %d embeddings.", len(w.vectors))
	case !w.list:
		return append(append(append(dst, `{"embedding":`...), w.vectors[0]...), '}'), nil
	}
	dst = jsonscan.AppendString(append(dst, `{"model":`...), w.model)
	dst = append(dst, `,"embeddings":[`...)
	for i, v := range w.vectors {
		dst = append(append(dst, separator(i, "")...), v...)
	}
	return append(appendCount(append(dst, ']'), "prompt_eval_count", w.usage.Input), '}'), nil
}
