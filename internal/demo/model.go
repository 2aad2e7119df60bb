package demo

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Model is one name that the demo provider knows, and what it does.
type Model struct {
	Name  string
	About string
}

type model struct {
	name, about string
	firstToken  time.Duration // before the head of the answer
	gap         time.Duration // between pieces
	hang        time.Duration // how long nothing is said before the connection is cut
	status      int           // refuses with this status
	code        string        // and this code
	retryAfter  int           // seconds
	once        bool          // refuses only the first attempt of a call
	cut         bool          // cuts the connection in the middle of the answer
	tool        bool          // calls a tool
	pieces      int           // length of the answer when it is not a summary
}

// table is what the names of models ask for. It does not change.
var table = [...]model{
	{name: "demo", about: "answers with a summary of the prompt"},
	{name: "demo-slow", about: "first token after 1 s, the others 100 ms apart", firstToken: time.Second, gap: 100 * time.Millisecond},
	{name: "demo-fail-500", about: "fails with status 500", status: 500, code: "server_error"},
	{name: "demo-fail-429", about: "fails with status 429 and Retry-After: 1", status: 429, code: "rate_limit_exceeded", retryAfter: 1},
	{name: "demo-fail-503-once", about: "fails the first attempt of a call with status 503, then answers", status: 503, code: "overloaded", once: true},
	{name: "demo-cut", about: "cuts the connection in the middle of the answer", cut: true},
	{name: "demo-hang", about: "says nothing until the client gives up, 5 min at most", hang: 5 * time.Minute},
	{name: "demo-tool", about: "calls a tool: the first of the request, else get_weather", tool: true},
	{name: "demo-long", about: "answers in 10000 chunks", pieces: 10000},
}

// Models lists the names that the demo provider knows, in the order in which help should show them. A name that does not
// start with "demo" is answered like "demo"; any other is refused with 404.
func Models() []Model {
	out := make([]Model, 0, len(table))
	for _, m := range table {
		out = append(out, Model{m.name, m.about})
	}
	return out
}

func modelNamed(name string) (model, bool) {
	for _, m := range table {
		if m.name == name {
			return m, true
		}
	}
	if strings.HasPrefix(name, "demo") {
		return model{}, false
	}
	return table[0], true
}

// prompt is what the demo provider takes from a request of any dialect.
type prompt struct {
	model    string
	stream   bool
	messages int
	texts    []string // every text, in order
	last     string   // the last text of the user
	limit    int      // longest answer, tokens; 0 = none
	tool     string   // the first tool that is offered
	answered bool     // the conversation ends with a tool's result

	usage      bool // a stream reports usage
	dimensions int  // of embeddings; 0 = the default
	base64     bool // embeddings in base64
	array      bool // a Gemini stream is a JSON array
}

func (p *prompt) add(text string) {
	p.messages++
	p.texts = append(p.texts, text)
}

func (p *prompt) tokens() int {
	n := 0
	for _, t := range p.texts {
		n += len(tokenize(t))
	}
	return n
}

// finish is why an answer ended.
type finish uint8

const (
	finishStop finish = iota
	finishLength
	finishTool
)

// answer is what the demo provider says, before it takes a dialect's shape.
type answer struct {
	model  model
	id     string   // 16 hexadecimal digits
	tool   string   // the tool that is called; "" = the answer is text
	pieces []string // of the text, or of the tool's arguments; one piece is one token
	finish finish
	in     int // tokens of the prompt
}

// Bounds of what the answer repeats of the prompt.
const maxEcho = 200 // runes

func (m model) answer(id string, p *prompt) *answer {
	a := &answer{model: m, id: id, in: p.tokens()}
	switch {
	case m.tool && !p.answered:
		a.tool, a.finish = p.tool, finishTool
		if a.tool == "" {
			a.tool = "get_weather"
		}
		a.pieces = tokenize(`{"location":"Paris"}`)
		return a
	case m.pieces > 0:
		for i := range m.pieces {
			a.pieces = append(a.pieces, " "+strconv.Itoa(i+1))
		}
	default:
		a.pieces = tokenize(summary(p, a.in))
	}
	if p.limit > 0 && p.limit < len(a.pieces) {
		a.pieces, a.finish = a.pieces[:p.limit], finishLength
	}
	return a
}

func summary(p *prompt, tokens int) string {
	echo := []rune(p.last)
	if len(echo) > maxEcho {
		echo = append(echo[:maxEcho], '…')
	}
	return "Hello from Spanway's demo provider. You sent " + count(p.messages, "message") + " of " + count(tokens, "token") +
		" in all. The last one says: " + string(echo)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func (a *answer) text() string { return strings.Join(a.pieces, "") }

// out is the tokens of the answer.
func (a *answer) out() int { return len(a.pieces) }

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tokenize cuts text into what the demo provider counts as tokens: a run of letters and digits is one, any other rune that
// is not white space is one, and white space belongs to the token that follows it (at the end, to the last one). The tokens
// concatenate to text. Text of white space alone is one token, "" is none.
func tokenize(text string) []string {
	var out []string
	start, inWord, content := 0, false, false
	for i, r := range text {
		word := unicode.IsLetter(r) || unicode.IsDigit(r)
		space := unicode.IsSpace(r)
		// A token ends before i when it has content and r does not go on with its word.
		if content && (!word || !inWord) {
			out = append(out, text[start:i])
			start, content = i, false
		}
		content = content || !space
		inWord = word
	}
	if start == len(text) {
		return out
	}
	if !content && len(out) > 0 {
		out[len(out)-1] += text[start:]
		return out
	}
	return append(out, text[start:])
}

// maxOnce bounds the calls whose first attempt is remembered.
const maxOnce = 4096

// onceSet tells the first attempt of a call from the second. It is safe for concurrent use.
type onceSet struct {
	mu    sync.Mutex
	seen  map[string]bool
	order []string // oldest first, for the bound
}

// first reports whether key comes for the first time, and every second time after it, so that the next call of the same
// trace fails first, too.
func (o *onceSet) first(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	again, known := o.seen[key]
	if !known {
		if len(o.order) >= maxOnce {
			delete(o.seen, o.order[0])
			o.order = o.order[1:]
		}
		o.order = append(o.order, key)
	}
	o.seen[key] = !again
	return !again
}
