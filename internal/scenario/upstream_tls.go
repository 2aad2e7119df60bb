package scenario

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// tlsFront is where a provider answers over TLS, in HTTP/2 with clients that can, by the same script.
type tlsFront struct {
	url string // https://host:port
	ca  string // the file of the authority to trust
}

// secure opens u's place for TLS until the test ends. Its acts must be scripted ones.
func (u *Upstream) secure(t testing.TB) tlsFront {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(u.serveTLS))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tlsFront{url: s.URL, ca: ca}
}

func (u *Upstream) serveTLS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	act := u.receive(&Received{Method: r.Method, Target: r.RequestURI, Header: r.Header, Host: r.Host, Body: body, At: time.Now(), Over: r.Proto})
	if act.answer == nil {
		panic(http.ErrAbortHandler)
	}
	act.answer.serve(w, r)
}

// serve writes a as give does, in HTTP's newer version where the client speaks it.
func (a *scripted) serve(w http.ResponseWriter, r *http.Request) {
	h, pieces := w.Header(), a.pieces
	for k, v := range a.header {
		h[k] = v
	}
	if a.coding != "" {
		h.Set("Content-Encoding", a.coding)
		pieces = []piece{{text: compressed(a.coding, a.body)}}
	}
	if a.status == 0 {
		a.stop(r)
		return
	}
	if !a.inPieces() {
		length := 0
		for _, p := range pieces {
			length += len(p.text)
		}
		h.Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(a.status)
	for _, p := range pieces {
		time.Sleep(p.pause)
		_, _ = io.WriteString(w, p.text) // a client that hung up is not an error
		if f, ok := w.(http.Flusher); ok && a.inPieces() {
			f.Flush()
		}
	}
	if a.end != "" {
		time.Sleep(a.endsIn)
		a.stop(r)
	}
}

// stop ends an answer that has no end.
func (a *scripted) stop(r *http.Request) {
	if a.end == "#hang" {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}
