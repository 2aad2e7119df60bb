// Package demo is a provider that needs no key and no network: it speaks the wire formats of OpenAI, Anthropic, Gemini and
// Ollama, streams, reports usage, and misbehaves when the name of the model asks for it. [Handler] is all of it; [Models]
// lists the names.
//
// Answers are deterministic: the same request gives the same bytes, ids and timestamps included. Tokens are counted by a
// rule of its own (see tokenize), not by a real model's tokenizer.
//
// The package imports nothing but the standard library, so that what it writes is checked by the dialects and not made
// with them.
package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultMaxBody is the bound of a request body, bytes, when Options has none.
const DefaultMaxBody = 10 << 20

// Options are the settings of a Handler. The zero value is ready to use.
type Options struct {
	MaxBody int64 // longest request body, bytes; 0 = DefaultMaxBody
}

// endpoint is one API: how it is asked, and how it answers, unstreamed, streamed, and when it refuses.
type endpoint struct {
	parse  func(r *http.Request, body []byte) (*prompt, error)
	whole  func(p *prompt, a *answer) any
	stream func(p *prompt, a *answer, w *stream)
	fail   func(f failure) any
}

// failure is a refusal, before it takes a provider's shape.
type failure struct {
	status  int
	code    string // OpenAI's word for it; the other dialects derive theirs from status
	message string
}

// Error implements error.
func (f failure) Error() string { return f.message }

type server struct {
	maxBody int64
	once    onceSet
}

// Handler returns the demo provider. It is safe for concurrent use. It answers with and without the /v1 of OpenAI's and
// Anthropic's paths.
func Handler(o Options) http.Handler {
	s := &server{maxBody: o.MaxBody}
	if s.maxBody <= 0 {
		s.maxBody = DefaultMaxBody
	}
	mux := http.NewServeMux()
	for _, base := range []string{"", "/v1"} {
		mux.HandleFunc("GET "+base+"/models", listModels)
		mux.HandleFunc("POST "+base+"/chat/completions", s.serve(openAIChat()))
		mux.HandleFunc("POST "+base+"/completions", s.serve(openAICompletions()))
		mux.HandleFunc("POST "+base+"/embeddings", s.serve(openAIEmbeddings()))
		mux.HandleFunc("POST "+base+"/responses", s.serve(openAIResponses()))
		mux.HandleFunc("POST "+base+"/messages", s.serve(anthropicMessages()))
		mux.HandleFunc("POST "+base+"/messages/count_tokens", s.serve(anthropicCount()))
	}
	gemini := s.serve(geminiGenerate())
	for _, version := range []string{"/v1", "/v1beta", "/v1beta1"} {
		mux.HandleFunc("POST "+version+"/models/{call}", gemini)
		mux.HandleFunc("POST "+version+"/projects/{project}/locations/{location}/publishers/google/models/{call}", gemini)
	}
	mux.HandleFunc("POST /api/chat", s.serve(ollama(false)))
	mux.HandleFunc("POST /api/generate", s.serve(ollama(true)))
	mux.HandleFunc("POST /api/embed", s.serve(ollamaEmbed()))
	return guided(mux)
}

// guided is mux, which tells what can be called to those who called what cannot.
func guided(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		status, code := http.StatusNotFound, "not_found"
		for _, other := range []string{http.MethodGet, http.MethodPost} {
			if _, pattern := mux.Handler(&http.Request{Method: other, URL: r.URL, Host: r.Host}); pattern != "" {
				status, code = http.StatusMethodNotAllowed, "method_not_allowed"
				w.Header().Set("Allow", other)
			}
		}
		endpoint{fail: openAIFail}.refuse(w, failure{status, code, "The demo provider has no " + r.Method + " " + r.URL.Path +
			"; it answers POST to /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, /v1/messages," +
			" /v1beta/models/demo:generateContent, /api/chat, /api/generate and /api/embed, and GET to /v1/models"})
	})
}

// serve answers the calls of one API.
func (s *server) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxBody))
		if err != nil {
			e.refuse(w, bodyFailure(err))
			return
		}
		p, err := e.parse(r, body)
		if err != nil {
			e.refuse(w, requestFailure(err))
			return
		}
		m, ok := modelNamed(p.model)
		if !ok {
			e.refuse(w, failure{http.StatusNotFound, "model_not_found", "The model '" + p.model + "' does not exist"})
			return
		}
		digest := sha256.Sum256(append([]byte(r.URL.Path), body...))
		id := hex.EncodeToString(digest[:8])
		if m.status != 0 && (!m.once || s.once.first(traceID(r.Header)+id)) {
			if m.retryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(m.retryAfter))
			}
			e.refuse(w, failure{m.status, m.code, "The model '" + m.name + "' was asked to fail"})
			return
		}
		e.answer(w, r, p, m.answer(id, p))
	}
}

// answer sends a, at the pace of its model.
func (e endpoint) answer(w http.ResponseWriter, r *http.Request, p *prompt, a *answer) {
	ctx := r.Context()
	if a.model.hang > 0 {
		sleep(ctx, a.model.hang)
		abort()
	}
	if !sleep(ctx, a.model.firstToken) {
		abort()
	}
	out := &stream{ctx: ctx, w: w, flush: http.NewResponseController(w).Flush}
	if p.stream {
		e.stream(p, a, out)
		return
	}
	b := encode(e.whole(p, a))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if a.model.cut {
		out.bytes(b[:len(b)/2])
		abort()
	}
	out.bytes(b)
}

func (e endpoint) refuse(w http.ResponseWriter, f failure) {
	b := encode(e.fail(f))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	// A client that has gone is nobody to report the error to.
	_, _ = w.Write(b)
}

func bodyFailure(err error) failure {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return failure{http.StatusRequestEntityTooLarge, "request_too_large",
			"The request is longer than " + strconv.FormatInt(tooLong.Limit, 10) + " bytes"}
	}
	return failure{http.StatusBadRequest, "invalid_request", "The request could not be read"}
}

func requestFailure(err error) failure {
	var f failure
	if errors.As(err, &f) {
		return f
	}
	return failure{http.StatusBadRequest, "invalid_request", "We could not parse the JSON body of your request"}
}

// missing is the refusal of a request without field.
func missing(field string) error {
	return failure{http.StatusBadRequest, "missing_required_parameter", "Missing required parameter: '" + field + "'"}
}

// traceID is the trace id of a traceparent header (W3C Trace Context, section 3.2), "" when there is none.
func traceID(h http.Header) string {
	parts := strings.Split(h.Get("Traceparent"), "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}

// encode is v as JSON, without the escaping that is meant for HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		abort() // no value of this package fails to encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// abort ends the response without its end, as a provider that crashes does: net/http closes the connection (or resets the
// HTTP/2 stream) and logs nothing for this value.
func abort() { panic(http.ErrAbortHandler) }

// stream writes the frames of one streamed response, each flushed.
type stream struct {
	ctx   context.Context // the call's
	w     http.ResponseWriter
	flush func() error
}

// pieces yields the pieces of a, each when it is due. It cuts the connection where the model does, and when the client has
// gone.
func (s *stream) pieces(a *answer) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, p := range a.pieces {
			if a.model.cut && i >= len(a.pieces)/2 || i > 0 && !sleep(s.ctx, a.model.gap) {
				abort()
			}
			if !yield(p) {
				return
			}
		}
	}
}

// start sends the head of the response.
func (s *stream) start(contentType string) {
	s.w.Header().Set("Content-Type", contentType)
	s.w.Header().Set("Cache-Control", "no-cache")
	s.w.WriteHeader(http.StatusOK)
}

// sse sends v as a server-sent event (WHATWG HTML, section 9.2), with a name unless that is "".
func (s *stream) sse(name string, v any) {
	var b []byte
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	b = append(append(append(b, "data: "...), encode(v)...), "\n\n"...)
	s.bytes(b)
}

// bytes sends b. It ends the response when the client has gone.
func (s *stream) bytes(b []byte) {
	if _, err := s.w.Write(b); err != nil {
		abort()
	}
	if err := s.flush(); err != nil {
		abort()
	}
}

// created is the time of every answer, 2025-01-01T00:00:00Z: a fixed one keeps answers deterministic.
const created = 1735689600

func createdTime() string { return time.Unix(created, 0).UTC().Format(time.RFC3339) }
