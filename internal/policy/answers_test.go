package policy_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
)

var (
	about    = regexp.MustCompile(`⟦([^⟧]*)⟧`)
	goesOn   = regexp.MustCompile(`\|[a-z0-9]+\|?`)
	begins   = regexp.MustCompile(`[a-z0-9]+\|`)
	framings = map[string]string{"response": "application/json", "array": "application/json"}
)

// said is an answer of s as the provider sends it, and as a client is to get it from behind a guard.
func (s *sample) said(t *testing.T, kind string) (sent, want []byte, head *llm.Head) {
	t.Helper()
	text := s.parts[kind]
	plain := strings.NewReplacer("⟦", "", "⟧", "", "|", "").Replace(text)
	hidden := about.ReplaceAllStringFunc(text, func(v string) string {
		if strings.HasPrefix(v, "⟦[") {
			return "[]"
		}
		return "null"
	})
	hidden = without(begins.ReplaceAllString(goesOn.ReplaceAllString(hidden, ""), masked))
	head = &llm.Head{Status: http.StatusOK, Header: http.Header{"Content-Type": {framings[kind]}}}
	switch {
	case framings[kind] != "":
	case s.api == llm.BedrockConverse || s.api == llm.BedrockInvoke:
		head.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
		return messages(t, s.api, plain), messages(t, s.api, hidden), head
	case strings.HasPrefix(text, "{"):
		head.Header.Set("Content-Type", "application/x-ndjson")
	default:
		head.Header.Set("Content-Type", "text/event-stream")
	}
	return []byte(plain), []byte(hidden), head
}

// messages is an event stream of one message a line.
func messages(t *testing.T, api llm.API, lines string) []byte {
	t.Helper()
	var out []byte
	for line := range strings.Lines(lines) {
		event, payload := "chunk", []byte(strings.TrimSpace(line))
		if api == llm.BedrockInvoke {
			payload = []byte(`{"bytes":"` + base64.StdEncoding.EncodeToString(payload) + `","p":"ab"}`)
		} else {
			name, data, _ := strings.Cut(string(payload), " ")
			event, payload = name, []byte(data)
		}
		headers := frame.AppendHeader(nil, ":event-type", event)
		headers = frame.AppendHeader(headers, ":content-type", "application/json")
		headers = frame.AppendHeader(headers, ":message-type", "event")
		out = frame.AppendMessage(out, headers, payload)
	}
	return out
}

// through is what a client gets of an answer in pieces from behind g, and the error that ends it.
func (s *sample) through(t *testing.T, g policy.Policy, r *llm.Request, head *llm.Head, pieces ...[]byte) (out []byte, refused error) {
	t.Helper()
	w, err := g.Check(t.Context(), &llm.Call{Request: r}, new(policy.Report), new(policy.Report))
	if err != nil {
		t.Fatal(err)
	}
	emit := func(ev *llm.Event) (err error) {
		if !ev.Edited {
			out = append(out, ev.Raw...)
			return nil
		}
		out, err = s.dialect.Rewrite(out, r, ev)
		return err
	}
	reader := s.dialect.NewReader(s.api, head, llm.WantParts)
	for i, p := range append(pieces, nil) {
		if err := reader.Read(p, i == len(pieces), func(ev *llm.Event) error { return w.Event(ev, emit) }); err != nil {
			return out, err
		}
	}
	return out, w.Flush(emit)
}

// clean is a request of s that has the word nowhere.
func (s *sample) clean(t *testing.T) *llm.Request {
	t.Helper()
	return s.parse(t, strings.ReplaceAll(s.parts["request"], word, "nothing"))
}

// kinds are the answers that s has.
func (s *sample) kinds() []string {
	var out []string
	for _, k := range []string{"response", "stream", "array"} {
		if s.parts[k] != "" {
			out = append(out, k)
		}
	}
	return out
}

// Of an answer in each API every text is masked, whatever frames the word is spread over and wherever the bytes are cut, and
// nothing else is touched. Copies of the text (token by token, quoted, at the end of a stream) are masked, or void.
func TestAnswerTexts(t *testing.T) {
	mask := guardWord(t, "mask")
	for _, s := range samples(t) {
		for _, kind := range s.kinds() {
			t.Run(s.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				sent, want, head := s.said(t, kind)
				got, err := s.through(t, mask, s.clean(t), head, sent)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					differ(t, readable(s.api, head, want), readable(s.api, head, got))
					t.FailNow()
				}
				for i := 1; i < len(sent) && !t.Failed(); i++ {
					if got, err := s.through(t, mask, s.clean(t), head, sent[:i], sent[i:]); err != nil || !bytes.Equal(got, want) {
						t.Errorf("cut at byte %d: %v", i, err)
						differ(t, readable(s.api, head, want), readable(s.api, head, got))
					}
				}
				if got, err := s.through(t, mask, s.clean(t), head, bytes.SplitAfter(sent, nil)...); err != nil || !bytes.Equal(got, want) {
					t.Errorf("byte by byte: %v", err)
				}
			})
		}
	}
}

// readable is a body in lines: of an event stream the payload of each message.
func readable(api llm.API, head *llm.Head, body []byte) string {
	if head.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" {
		return string(body)
	}
	var out []byte
	err := frame.NewEventStream(llm.MaxFrame).Split(body, true, func(f frame.Frame) error {
		data := f.Data
		if api == llm.BedrockInvoke {
			data, _ = base64.StdEncoding.DecodeString(jsonscan.String(jsonscan.Get(data, "bytes")))
		}
		if f.Malformed {
			data = []byte("malformed")
		}
		out = append(append(append(append(out, f.Event...), ' '), data...), '\n')
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// A guard that rejects lets nothing of the word out, and what has gone out before is as the provider sent it; the error that
// ends a stream is read as one.
func TestAnswerRejected(t *testing.T) {
	reject := guardWord(t, "reject")
	for _, s := range samples(t) {
		for _, kind := range s.kinds() {
			t.Run(s.name+"/"+kind, func(t *testing.T) {
				sent, _, head := s.said(t, kind)
				r := s.clean(t)
				got, err := s.through(t, reject, r, head, sent)
				var e *llm.Error
				if !errors.As(err, &e) || e.Type != policy.Rejected {
					t.Fatalf("not refused: %v", err)
				}
				if !bytes.HasPrefix(sent, got) {
					t.Errorf("%q went out, which was not sent", got)
				}
				if strings.Contains(strings.ReplaceAll(readable(s.api, head, got), stays, ""), word) {
					t.Errorf("%q went out", got)
				}
				if kind == "response" {
					return
				}
				r.StreamArray = kind == "array"
				if r.API == llm.GeminiGenerate && kind == "array" && len(got) == 0 {
					return // the gateway answers with a status
				}
				got = append(got, s.dialect.StreamError(r, e)...)
				var told *llm.Error
				err = s.dialect.NewReader(s.api, head, llm.WantParts).Read(got, true, func(ev *llm.Event) error {
					if ev.Err != nil {
						told = ev.Err
					}
					return nil
				})
				if err != nil || told == nil || told.Message != "not here" {
					t.Errorf("error %v, told %+v by %q", err, told, got)
				}
			})
		}
	}
}
