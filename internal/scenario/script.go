package scenario

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// clientName is the User-Agent of requests that name none.
const clientName = "scenario"

// message is the text of a request or an answer, taken apart.
type message struct {
	start  string
	header http.Header
	body   string
}

func parseMessage(text string) (message, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	m := message{start: lines[0], header: http.Header{}, body: body}
	for _, l := range lines[1:] {
		k, v, ok := strings.Cut(l, ":")
		if !ok {
			return m, fmt.Errorf("%q is no header", l)
		}
		m.header.Add(k, strings.TrimSpace(v))
	}
	if ct := m.header.Get("Content-Type"); ct != "text/event-stream" && ct != "application/x-ndjson" {
		m.body = strings.TrimSuffix(m.body, "\n")
	}
	return m, nil
}

// request is one request of a client.
type request struct {
	message
	method, target string
	listener       string // "" = the first
	admin          bool
}

func parseRequest(text string) (request, error) {
	m, err := parseMessage(text)
	if err != nil {
		return request{}, err
	}
	r := request{message: m}
	var ok bool
	if r.method, r.target, ok = strings.Cut(m.start, " "); !ok {
		return r, fmt.Errorf("%q is not METHOD PATH", m.start)
	}
	if name, path, named := strings.Cut(r.target, ":/"); named && !strings.Contains(name, "/") {
		r.target = "/" + path
		if r.admin = name == "admin"; !r.admin {
			r.listener = name
		}
	}
	if r.body != "" && r.header.Get("Content-Type") == "" {
		r.header.Set("Content-Type", "application/json")
	}
	if r.header.Get("User-Agent") == "" {
		r.header.Set("User-Agent", clientName)
	}
	return r, nil
}

// response is what the client saw.
type response struct {
	status int
	header http.Header
	body   string
	broken bool // it ended before its end
}

func sceneClient(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (r *request) send(t *testing.T, c *http.Client, base string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, base+r.target, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Host = r.header.Get("Host")
	resp, err := c.Do(req)
	if err != nil {
		return response{broken: true}
	}
	defer resp.Body.Close()
	var from io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(from); err != nil {
			return response{status: resp.StatusCode, header: resp.Header, broken: true}
		}
	}
	body, err := io.ReadAll(from)
	return response{status: resp.StatusCode, header: resp.Header, body: string(body), broken: err != nil}
}

// scripted is one scripted answer. Its directives, each a line of the body:
//
//	#pause D  wait, before what follows or the end
//	#crlf     line breaks of the body are CR LF
//	#gzip     compress the body, though nobody asked for it; so do #br and #zstd
//	#cut      close the connection here, in the middle
//	#reset    reset it here
//	#hang     nothing more comes
//
// The messages of an AWS event stream stand there as eventStreamType says.
//
// In place of the status, #close closes the connection without an answer and #hang gives none.
type scripted struct {
	status int
	header http.Header
	body   string // as one piece, not compressed
	pieces []piece
	coding string // the body's compression: "", gzip, br or zstd
	end    string // the directive at the end: "", #cut, #reset or #hang
	endsIn time.Duration
}

// piece is what is written at once, after a pause.
type piece struct {
	text  string
	pause time.Duration
}

func parseAnswer(text string) (*scripted, error) {
	m, err := parseMessage(text)
	if err != nil {
		return nil, err
	}
	a := &scripted{header: m.header}
	if strings.HasPrefix(m.start, "#") {
		a.end = m.start
		return a, nil
	}
	if a.status, err = strconv.Atoi(m.start); err != nil {
		return nil, fmt.Errorf("answer %q: not a status", m.start)
	}
	eol, messages, how := "\n", m.header.Get("Content-Type") == eventStreamType, ""
	var p piece
	add := func() {
		if p.text != "" {
			a.pieces, a.body = append(a.pieces, p), a.body+p.text
			p = piece{}
		}
	}
	for line := range strings.SplitAfterSeq(m.body, "\n") {
		word, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "#pause":
			add()
			if p.pause, err = time.ParseDuration(arg); err != nil {
				return nil, err
			}
		case word == "#crlf":
			eol = "\r\n"
		case word == "#gzip", word == "#br", word == "#zstd":
			a.coding = word[1:]
		case messages && (word == corruptMessage || word == partialMessage):
			how = word
		case word == "#cut", word == "#reset", word == "#hang":
			a.end = word
		case strings.HasPrefix(line, "#"):
			return nil, fmt.Errorf("unknown directive %q", line)
		default:
			parts := strings.Split(strings.ReplaceAll(line, "\n", eol), "¦")
			for i, s := range parts {
				if messages {
					s, how = encodeMessage(s, how), ""
				}
				if p.text += s; i < len(parts)-1 {
					add()
				}
			}
		}
	}
	add()
	a.endsIn = p.pause
	return a, nil
}

// inPieces reports whether the answer is written in chunks, not whole with its length.
func (a *scripted) inPieces() bool {
	return len(a.pieces) > 1 || a.end != "" || a.header.Get("Content-Type") == "text/event-stream" || a.header.Get("Content-Type") == eventStreamType
}

// cut returns the pieces in pieces of n bytes, the pauses where they were.
func (a *scripted) cut(n int) []piece {
	var out []piece
	for _, p := range a.pieces {
		for rest := p.text; rest != ""; {
			k := min(n, len(rest))
			out = append(out, piece{text: rest[:k], pause: p.pause})
			rest, p.pause = rest[k:], 0
		}
	}
	return out
}

// acts is what a provider does for answers. One that is asked though it has none says so.
func acts(answers []*scripted) []Act {
	if len(answers) == 0 {
		return []Act{Respond(http.StatusTeapot, "text/plain", "this provider has no answers")}
	}
	var out []Act
	for _, a := range answers {
		out = append(out, Act{do: a.give, answer: a})
	}
	return out
}

// give writes a: with its length where it is one whole piece, else in chunks.
func (a *scripted) give(x *Exchange) {
	switch {
	case a.status == 0 && a.end == "#hang":
		x.Hang()
		return
	case a.status == 0:
		return
	}
	h, pieces := a.header.Clone(), a.pieces
	if a.coding != "" {
		h.Set("Content-Encoding", a.coding)
		pieces = []piece{{text: compressed(a.coding, a.body)}}
	}
	if !a.inPieces() {
		body := ""
		if len(pieces) == 1 {
			x.Pause(pieces[0].pause)
			body = pieces[0].text
		}
		if x.Method == http.MethodHead {
			body = ""
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		x.Write(HeadText(a.status, lines(h)...) + body)
		x.keep = true
		return
	}
	h.Set("Transfer-Encoding", "chunked")
	x.Write(HeadText(a.status, lines(h)...))
	for _, p := range pieces {
		if p.pause > 0 {
			x.Pause(p.pause)
		}
		x.Write(Chunk(p.text))
	}
	x.Pause(a.endsIn)
	switch a.end {
	case "#reset":
		if c, ok := x.Conn.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
	case "#hang":
		x.Hang()
	case "":
		x.Write(Chunk(""))
		x.keep = true
	}
}

func compressed(coding, s string) string {
	var b bytes.Buffer
	var z io.WriteCloser
	switch coding {
	case "br":
		z = brotli.NewWriter(&b)
	case "zstd":
		z, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1)) // the option is valid
	default:
		z = gzip.NewWriter(&b)
	}
	_, _ = io.WriteString(z, s) // a Buffer takes everything
	_ = z.Close()
	return b.String()
}

func lines(h http.Header) []string {
	var out []string
	for k, all := range h {
		for _, v := range all {
			out = append(out, k+": "+v)
		}
	}
	return out
}
