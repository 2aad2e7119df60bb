package matrix

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// answer is what a provider sends.
type answer struct {
	stream bool
	status int
	body   []byte
}

// TestAnswers translates each feature of answers from each provider's API to each client's, whole and streamed.
func TestAnswers(t *testing.T) {
	for _, f := range section(t, "answers") {
		for _, b := range backends() {
			for _, a := range answers(t, b, &f) {
				name := f.title + "/" + b.provider + "/" + a.kind()
				t.Run(name, func(t *testing.T) { f.isTold(t, b, &a) })
				for i := range dialects {
					if c := &dialects[i]; !native(c, b) {
						t.Run(name+"/"+string(c.api), func(t *testing.T) { answered(t, c, b, &a) })
					}
				}
			}
		}
	}
}

func (a *answer) kind() string {
	switch {
	case a.status >= http.StatusBadRequest:
		return "error"
	case a.stream:
		return "streamed"
	}
	return "whole"
}

// answers are b's provider's that say f: whole, streamed, or as an error.
func answers(t testing.TB, b *dialect, f *feature) []answer {
	t.Helper()
	var out []answer
	if words, ok := f.words[string(b.api)]; ok {
		out = append(out, answer{status: http.StatusOK, body: merged(t, bases(t, "answers")[string(b.api)], words)})
	}
	if words, ok := f.words[string(b.api)+" stream"]; ok {
		out = append(out, answer{status: http.StatusOK, stream: true, body: b.framed(t, words)})
	}
	if words, ok := f.words[string(b.api)+" error 429"]; ok {
		out = append(out, answer{status: http.StatusTooManyRequests, body: words})
	}
	return out
}

// framed is a stream of events, of which lines has one a line, as d's providers send it.
func (d *dialect) framed(t testing.TB, lines []byte) []byte {
	t.Helper()
	var out []byte
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSpace(line)
		switch d.api {
		case llm.OllamaChat:
			out = append(append(out, line...), '\n')
		case llm.BedrockConverse:
			out = append(out, eventStream(t, line)...)
		case llm.AnthropicMessages, llm.CohereChat:
			var ev struct{ Type string }
			if err := json.Unmarshal(line, &ev); err != nil {
				t.Fatal(err)
			}
			out = fmt.Appendf(out, "event: %s\ndata: %s\n\n", ev.Type, line)
		default:
			out = fmt.Appendf(out, "data: %s\n\n", line)
		}
	}
	if d.api == llm.OpenAIChat || d.api == llm.MistralChat || d.api == llm.CohereChat {
		out = append(out, "data: [DONE]\n\n"...)
	}
	return out
}

// eventStream is one event of AWS' event stream (AWS SDK reference, Event stream encoding): {"type": payload}.
func eventStream(t testing.TB, line []byte) []byte {
	t.Helper()
	var ev map[string]json.RawMessage
	if err := json.Unmarshal(line, &ev); err != nil || len(ev) != 1 {
		t.Fatalf("%v in %s", err, line)
	}
	var head, payload []byte
	for name, v := range ev {
		kind := "event"
		if strings.HasSuffix(name, "Exception") {
			kind = "exception"
		}
		for _, h := range [][2]string{{":" + kind + "-type", name}, {":content-type", "application/json"}, {":message-type", kind}} {
			head = append(append(head, byte(len(h[0]))), h[0]...)
			head = append(binary.BigEndian.AppendUint16(append(head, 7), uint16(len(h[1]))), h[1]...)
		}
		payload = v
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(16+len(head)+len(payload)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(head)))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	out = append(append(out, head...), payload...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}

// contentType is that of d's providers' answers.
func (d *dialect) contentType(a *answer) string {
	switch {
	case !a.stream:
		return "application/json"
	case d.api == llm.OllamaChat:
		return "application/x-ndjson"
	case d.api == llm.BedrockConverse:
		return "application/vnd.amazon.eventstream"
	}
	return "text/event-stream"
}

// read hands the events of a to emit. cuts are where the body is cut.
func (d *dialect) read(t testing.TB, a *answer, contentType string, cuts []int, emit func(*llm.Event) error) {
	t.Helper()
	head := &llm.Head{Status: a.status, Header: http.Header{"Content-Type": {contentType}}}
	r := d.out.NewReader(d.api, head, llm.WantParts)
	from := 0
	for _, to := range append(slices.Clone(cuts), len(a.body)) {
		if err := r.Read(a.body[from:to], to == len(a.body), emit); err != nil {
			t.Fatal(err)
		}
		from = to
	}
}

// tells is what a says to who reads it as d.
func (d *dialect) tells(t testing.TB, a *answer, contentType string, cuts []int) told {
	t.Helper()
	f := fold{told: told{facets: facets{}}}
	d.read(t, a, contentType, cuts, func(ev *llm.Event) error { f.add(ev); return nil })
	return f.result(t)
}

// isTold holds what b's reader reads to what the answer says, however it is cut.
func (f *feature) isTold(t *testing.T, b *dialect, a *answer) {
	want := facets{}
	if err := json.Unmarshal(f.says, &want); err != nil {
		t.Fatal(err)
	}
	got := b.tells(t, a, b.contentType(a), nil)
	for k, v := range want {
		if canonicalOf(v) != canonicalOf(got.facets[k]) {
			t.Errorf("%s (-want +got):\n%s\nin %q", k, cmp.Diff(v, got.facets[k]), a.body)
		}
	}
	for seed := range uint64(20) {
		if d := cmp.Diff(got, b.tells(t, a, b.contentType(a), cuts(len(a.body), seed)), cmp.AllowUnexported(told{})); d != "" {
			t.Fatalf("cut in pieces (-whole +cut):\n%s", d)
		}
	}
}

// cuts are places in a body of n bytes.
func cuts(n int, seed uint64) []int {
	r := rand.New(rand.NewPCG(seed, 1))
	var out []int
	for at := 0; ; {
		if at += 1 + r.IntN(1+r.IntN(80)); at >= n {
			return out
		}
		out = append(out, at)
	}
}

// answered says what becomes of b's provider's answer for c's client. What is not told is named.
func answered(t testing.TB, c, b *dialect, a *answer) outcome {
	t.Helper()
	asked := b.tells(t, a, b.contentType(a), nil)
	back, contentType, loss := translatedAnswer(t, c, b, a, nil)
	got := c.tells(t, back, contentType, nil)
	for _, p := range asked.lacks(c, &got, loss.Dropped) {
		t.Errorf("%s\nof %q\nin %q", p, a.body, back.body)
	}
	for seed := range uint64(3) {
		pieces, _, _ := translatedAnswer(t, c, b, a, cuts(len(a.body), seed))
		again := c.tells(t, pieces, contentType, nil)
		if d := cmp.Diff(got.given(&asked), again.given(&asked), cmp.AllowUnexported(told{})); d != "" {
			t.Errorf("cut in pieces, it becomes something else (-whole +cut):\n%s", d)
		}
	}
	if len(loss.Dropped) > 0 {
		return outcome{lossy, loss.Dropped}
	}
	return outcome{mark: carried}
}

// translatedAnswer is what c's client receives of a, with its content type and what was lost.
func translatedAnswer(t testing.TB, c, b *dialect, a *answer, cuts []int) (*answer, string, *llm.Loss) {
	t.Helper()
	loss := new(llm.Loss)
	r, err := c.ask(t, a.stream)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.in.NewWriter(r, loss)
	if err != nil {
		t.Fatal(err)
	}
	out := &answer{stream: a.stream, status: a.status}
	var failure *llm.Error
	b.read(t, a, b.contentType(a), cuts, func(ev *llm.Event) (err error) {
		if failure == nil {
			failure = ev.Err
		}
		out.body, err = w.Write(out.body, ev)
		return err
	})
	if a.status >= http.StatusBadRequest {
		if failure == nil {
			t.Fatalf("no error was read from %s", a.body)
		}
		e := *failure
		e.Status = a.status
		out.body = c.in.Error(&e)
		return out, "application/json", loss
	}
	if out.body, err = w.Close(out.body, nil); err != nil {
		t.Fatal(err)
	}
	return out, w.ContentType(), loss
}

// ask is a request of c's client, for a stream with its usage or a whole answer.
func (d *dialect) ask(t testing.TB, stream bool) (*llm.Request, error) {
	t.Helper()
	body := bases(t, "requests")[string(d.api)]
	head := &llm.Head{Method: http.MethodPost, Path: d.path, Header: http.Header{}}
	if stream {
		switch d.api {
		case llm.GeminiGenerate:
			head.Path, head.Query = strings.Replace(d.path, ":generateContent", ":streamGenerateContent", 1), "alt=sse"
		case llm.BedrockConverse:
			head.Path += "-stream"
		case llm.OpenAIChat:
			body = merged(t, body, []byte(`{"stream":true,"stream_options":{"include_usage":true}}`))
		default:
			body = merged(t, body, []byte(`{"stream":true}`))
		}
	}
	return d.in.ParseRequest(d.api, head, body)
}
