package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/spanway/spanway/internal/frame"
)

// compressor can be told to let out what it has, as a provider does after each event.
type compressor interface {
	io.WriteCloser
	Flush() error
}

// codings are the content codings that providers may use.
func codings() map[string]func(io.Writer) compressor {
	return map[string]func(io.Writer) compressor{
		"gzip": func(w io.Writer) compressor { return gzip.NewWriter(w) },
		"br":   func(w io.Writer) compressor { return brotli.NewWriterLevel(w, 5) },
		"zstd": func(w io.Writer) compressor {
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			if err != nil {
				panic(err) // the options are right
			}
			return z
		},
	}
}

const compressedRoutes = `
telemetry: {traces: []}
backends:
  chat: {provider: openai, url: "%[1]s"}
  aws: {provider: bedrock, url: "%[1]s", key: k}
routes:
  - {match: {path: /native}, to: chat}
  - {match: {path: /guarded}, to: chat, policies: [{guard: {regex: {patterns: ["forbidden"]}, response: mask}}]}
  - {match: {path: /aws}, to: aws}
  - {match: {path: /awsguarded}, to: aws, policies: [{guard: {regex: {patterns: ["forbidden"]}, response: mask}}]}
`

func chunkOf(text string) string {
	return fmt.Sprintf(`data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":%q}}]}`+"\n\n", text)
}

func messageOf(text string) string {
	h := frame.AppendHeader(nil, ":event-type", "contentBlockDelta")
	h = frame.AppendHeader(h, ":content-type", "application/json")
	h = frame.AppendHeader(h, ":message-type", "event")
	return string(frame.AppendMessage(nil, h, fmt.Appendf(nil, `{"contentBlockIndex":0,"delta":{"text":%q}}`, text)))
}

// TestCompressedAsItComes has a provider compress a stream and flush after each event, and write the next event only when the
// client has the one before. Whatever the coding, whoever reads it and however small the pieces are, nothing that has come is
// held back.
func TestCompressedAsItComes(t *testing.T) {
	words := []string{"one", "two", "three"}
	const chat, converse = "/v1/chat/completions", "/model/m/converse-stream"
	const ask, said = `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`
	for _, c := range []struct{ name, path, body string }{
		{"native", "/native" + chat, ask},
		{"guarded", "/guarded" + chat, ask},
		{"translated", "/native/v1/messages", strings.Replace(ask, "{", `{"max_tokens":9,`, 1)},
		{"event stream", "/aws" + converse, said},
		{"event stream, guarded", "/awsguarded" + converse, said},
		{"event stream, translated", "/aws" + chat, ask},
	} {
		for coding, compress := range codings() {
			for _, piece := range []int{1, 1 << 10} {
				t.Run(fmt.Sprintf("%s, %s, %d bytes", c.name, coding, piece), func(t *testing.T) {
					read := make(chan struct{})
					p := &squeezer{coding: coding, compress: compress, piece: piece, words: words, read: read, event: chunkOf, media: "text/event-stream"}
					if strings.HasPrefix(c.path, "/aws") {
						p.event, p.media = messageOf, "application/vnd.amazon.eventstream"
					}
					upstream := httptest.NewServer(p)
					defer upstream.Close()
					h, _ := newHandler(t, fmt.Sprintf(compressedRoutes, upstream.URL), io.Discard)
					gate := httptest.NewServer(h)
					defer gate.Close()
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					defer cancel()
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, gate.URL+c.path, strings.NewReader(c.body))
					if err != nil {
						t.Fatal(err)
					}
					resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					if ce := resp.Header.Get("Content-Encoding"); ce != "" || resp.StatusCode != http.StatusOK {
						t.Fatalf("status %d, Content-Encoding %q", resp.StatusCode, ce)
					}
					readWords(t, resp.Body, words, read)
				})
			}
		}
	}
}

// readWords reads each word before it asks for the next, and then the end.
func readWords(t *testing.T, from io.Reader, words []string, read chan<- struct{}) {
	t.Helper()
	var got bytes.Buffer
	buf := make([]byte, 4<<10)
	for _, w := range words {
		for !bytes.Contains(got.Bytes(), []byte(w)) {
			n, err := from.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				t.Fatalf("%q did not come: %v; so far\n%s", w, err, got.Bytes())
			}
		}
		read <- struct{}{}
	}
	if _, err := io.Copy(&got, from); err != nil {
		t.Fatalf("the end: %v", err)
	}
}

// squeezer is a provider that streams words, compressed, each when the one before has been read.
type squeezer struct {
	coding   string
	compress func(io.Writer) compressor
	piece    int // bytes that are written at once
	words    []string
	event    func(string) string
	media    string
	read     <-chan struct{}
}

// ServeHTTP implements http.Handler.
func (p *squeezer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Encoding", p.coding)
	w.Header().Set("Content-Type", p.media)
	var b bytes.Buffer
	z := p.compress(&b)
	send := func() {
		for b.Len() > 0 {
			_, _ = w.Write(b.Next(p.piece))
			_ = out.Flush()
		}
	}
	for _, word := range p.words {
		_, _ = io.WriteString(z, p.event(word))
		_, _ = io.WriteString(z, p.event(strings.Repeat(", and so on", 1000))) // a guard holds back less than this, and whole events
		_ = z.Flush()
		send()
		select {
		case <-p.read:
		case <-r.Context().Done():
			return
		}
	}
	_ = z.Close()
	send()
}
