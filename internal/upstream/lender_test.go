package upstream

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestBodyTakenBack lets a server answer before it has read a large body: once the response is closed the body's memory is
// the caller's again, and what it is used for then never reaches the server.
func TestBodyTakenBack(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		answered, got := make(chan struct{}), make(chan []byte, 1)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			_ = rc.EnableFullDuplex() // HTTP/2 has it always
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_ = rc.Flush()
			<-answered
			body, _ := io.ReadAll(r.Body) // ends with the request's
			got <- body
		}))
		s.EnableHTTP2 = h2
		s.StartTLS()
		c, err := New(Target{URL: s.URL, TLS: s.Client().Transport.(*http.Transport).TLSClientConfig}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		body := bytes.Repeat([]byte("a"), 8<<20)
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := c.Do(ctx, &Request{Method: "POST", Path: "/", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Close()
		for i := range body {
			body[i] = 'b'
		}
		close(answered)
		if b := <-got; bytes.IndexByte(b, 'b') >= 0 {
			t.Errorf("h2 %v: another call's bytes went out", h2)
		}
		cancel()
		c.CloseIdle()
		s.Close()
	}
}

func TestLender(t *testing.T) {
	l := lender{body: []byte("abc")}
	first, second := l.reader(), l.reader()
	if b, err := io.ReadAll(first); string(b) != "abc" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	p := make([]byte, 2)
	if n, err := second.Read(p); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	l.takeBack()
	if n, err := second.Read(p); n != 0 || err != errClosed {
		t.Errorf("after it was taken back: %d, %v", n, err)
	}
}
