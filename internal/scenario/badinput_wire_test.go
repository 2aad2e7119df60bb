package scenario

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sendRaw sends a request as it is and reads one response.
func sendRaw(t testing.TB, url, raw string) answer {
	t.Helper()
	got, _ := sendRawThenEOF(t, url, raw, false)
	return got
}

// sendRawThenEOF is sendRaw that also waits, with wait, for the gateway to close the connection.
func sendRawThenEOF(t testing.TB, url, raw string, wait bool) (got answer, closed bool) {
	t.Helper()
	c := dial(t, url)
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, raw) // the gateway may answer, and close, before it has read everything
	}()
	defer func() { <-sent }()
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if asked := strings.Contains(raw, "Expect: 100-continue"); err == nil && asked != (resp.StatusCode == http.StatusContinue) {
		t.Errorf("first answer: status %d", resp.StatusCode)
	} else if err == nil && asked {
		resp, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		return answer{err: err}, true
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	got = answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
	if wait {
		_, err = r.ReadByte()
		var late net.Error
		return got, err != nil && (!errors.As(err, &late) || !late.Timeout()) // closed, or reset over what was not read
	}
	return got, false
}

// wireCase is a request that is odd as HTTP.
type wireCase struct {
	name, raw string
	status    int
	closed    bool   // the gateway closes the connection after it
	outcome   string // "" = no trace: net/http answered by itself
	calls     int
	target    string // that the provider gets; "" = not checked
	maybe     bool   // there may be a trace
}

const okBody = `{"model":"m-1","messages":[]}`

func wireCases() []wireCase {
	post := func(path string, headers ...string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: gateway\r\n" + strings.Join(append(headers, "", ""), "\r\n")
	}
	chat := "/openai/v1/chat/completions"
	length := fmt.Sprintf("Content-Length: %d", len(okBody))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(okBody), okBody)
	cases := []wireCase{
		{name: "chunked", raw: post(chat, "Transfer-Encoding: chunked") + chunks, status: 200, closed: true, outcome: "ok", calls: 1, target: "/v1/chat/completions"},
		{name: "chunked and a length", raw: post(chat, length, "Transfer-Encoding: chunked") + chunks, status: 400, closed: true, outcome: "client_error"},
		{name: "a length and chunked, other order and case", raw: post(chat, "TRANSFER-ENCODING: chunked", "content-LENGTH: 3") + chunks, status: 400, closed: true, outcome: "client_error"},
		{name: "broken chunks", raw: post(chat, "Transfer-Encoding: chunked") + "zz\r\n{}\r\n", status: 400, closed: true, outcome: "client_error"},
		{name: "a chunk longer than it says", raw: post(chat, "Transfer-Encoding: chunked") + "1\r\n{}\r\n0\r\n\r\n", status: 400, closed: true, outcome: "client_error"},
		{name: "too large in chunks", raw: post(chat, "Transfer-Encoding: chunked") + strings.Repeat("10000\r\n"+strings.Repeat(" ", 0x10000)+"\r\n", 20), status: 413, closed: true, outcome: "client_error"},
		{name: "a length over the limit", raw: post(chat, "Content-Length: 9999999999") + "{", status: 413, closed: true, outcome: "client_error"},
		{name: "HTTP/1.0", raw: "POST " + chat + " HTTP/1.0\r\n" + length + "\r\n\r\n" + okBody, status: 200, closed: true, outcome: "ok", calls: 1},
		{name: "absolute form", raw: "POST http://elsewhere.example" + chat + " HTTP/1.1\r\nHost: gateway\r\n" + length + "\r\n\r\n" + okBody, status: 200, outcome: "ok", calls: 1, target: "/v1/chat/completions"},
		{name: "continue", raw: post(chat, length, "Expect: 100-continue", "Connection: close") + okBody, status: 200, closed: true, outcome: "ok", calls: 1},
		{name: "asterisk", raw: "GET * HTTP/1.1\r\nHost: gateway\r\n\r\n", status: 404, outcome: "client_error"},
		{name: "CONNECT", raw: "CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n", status: 404, outcome: "client_error"},
		{name: "opaque target", raw: "POST mailto:x HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{}", status: 404, outcome: "client_error"},
		{name: "query that is not ASCII", raw: post(chat+"?q=\xc3\xa9", length) + okBody, status: 400, outcome: "client_error"},
		{name: "key with a header in it", raw: post("/caller/v1/chat/completions?key=a%0d%0aX-Evil:%201", length) + okBody, status: 400, outcome: "client_error"},
		{name: "path with a header in it", raw: post("/openai/v1/x%0d%0aX-Evil:%201", length) + okBody, status: 200, outcome: "ok", calls: 1, target: "/v1/x%0d%0aX-Evil:%201"},
		{name: "double slash", raw: post("/openai//v1/chat/completions", length) + okBody, status: 200, outcome: "ok", calls: 1},
	}
	// net/http reads these heads, and answers them before there is a request to hand over: there is nothing to trace.
	for _, x := range []struct{ name, raw, status string }{
		{"huge head", post(chat, "X-Large: "+strings.Repeat("x", 64<<10)), "431"},
		{"length that is no number", post(chat, "Content-Length: abc"), "400"},
		{"negative length", post(chat, "Content-Length: -1"), "400"},
		{"two lengths", post(chat, "Content-Length: 1", "Content-Length: 2") + "{}", "400"},
		{"unknown coding", post(chat, "Transfer-Encoding: gzip, chunked"), "501"},
		{"expectation", post(chat, length, "Expect: the-unexpected") + okBody, "417"},
		{"no host", "POST " + chat + " HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", post(chat, "Host: other"), "400"},
		{"carriage return in a value", post(chat, "X-A: a\rX-Evil: 1"), "400"},
		{"NUL in a value", post(chat, "X-A: a\x00b"), "400"},
		{"space in a name", post(chat, "X A: a"), "400"},
		{"space in the target", "POST /openai/v1/a b HTTP/1.1\r\nHost: gateway\r\n\r\n", "400"},
		{"control character in the target", "POST /openai/\x01 HTTP/1.1\r\nHost: gateway\r\n\r\n", "400"},
		{"broken escape", post("/openai/%zz", length) + okBody, "400"},
		{"unknown version", "POST " + chat + " HTTP/3.7\r\nHost: gateway\r\n\r\n", "505"},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n", "400"},
	} {
		status := 0
		_, _ = fmt.Sscan(x.status, &status)
		cases = append(cases, wireCase{name: x.name, raw: x.raw, status: status, closed: true})
	}
	return cases
}

// atEnvoy is what is otherwise where Envoy parses HTTP: it refuses by itself what it does not take, without a trace, and it takes
// more.
func atEnvoy(x wireCase) wireCase {
	refused := func(status int) { x.status, x.outcome = status, "" }
	switch x.name {
	case "chunked":
		x.closed = false
	case "broken chunks":
		refused(0)
		x.maybe = true // Envoy may have told of the call before
	case "chunked and a length", "a length and chunked, other order and case", "query that is not ASCII", "opaque target", "asterisk":
		refused(http.StatusBadRequest)
	case "CONNECT":
		refused(http.StatusNotFound)
	case "unknown version", "broken escape", "two hosts", "carriage return in a value": // there is no body either
		x.status, x.outcome = http.StatusBadRequest, "client_error"
	case "expectation":
		x.status, x.outcome, x.calls, x.closed = http.StatusOK, "ok", 1, false
	}
	return x
}

// TestOddRequests sends what is odd as HTTP. After each, the gateway still serves, and there is one trace for each call that
// reached the pipeline.
func TestOddRequests(t *testing.T) { onPlanes(t, oddRequests) }

func oddRequests(t *testing.T, p Plane) {
	for _, x := range wireCases() {
		if p.Name() == "envoy" {
			x = atEnvoy(x)
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
			gw := startOn(t, p, badConfig(u.URL))
			got, closed := sendRawThenEOF(t, gw.ClientURL(), x.raw, x.closed)
			if got.status != x.status || x.closed != closed {
				t.Errorf("got status %d, closed %v (%v); want %d, closed %v: %s", got.status, closed, got.err, x.status, x.closed, got.body)
			}
			if x.outcome != "" {
				spans := gw.Trace(t)
				checkTree(t, spans)
				equal(t, "outcome", spans[0].Attrs["spanway.outcome"], any(x.outcome))
				if x.status >= 400 {
					if err := speakers()[0].shape(x.status, []byte(got.body)); err != nil {
						t.Error(err)
					}
				}
			}
			equal(t, "calls", u.Calls(), x.calls)
			for _, r := range u.Requests() {
				if x.target != "" {
					equal(t, "target", r.Target, x.target)
				}
				equal(t, "Host", r.Host, u.Address)
				if r.Header.Get("X-Evil") != "" {
					t.Errorf("a header was injected: %v", r.Header)
				}
			}
			after := send(t.Context(), newClient(t), "POST", gw.ClientURL()+"/openai/v1/chat/completions", chatBody, nil)
			equal(t, "status of the next call", after.status, 200)
			if n := len(gw.Traces(t, 1)); n > 1 && (n > 2 || !x.maybe) {
				t.Errorf("%d traces ended, want 1", n)
			}
		})
	}
}
