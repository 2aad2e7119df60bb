package proxy

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhyAttemptsFail: spans and clients get one word for a failure, so the cause, such as a certificate that nobody trusts,
// must be somewhere else: in the log, for those who ask for it.
func TestWhyAttemptsFail(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	for address, want := range map[string]string{"http://127.0.0.1:1": "connection refused", untrusted.URL: "certificate"} {
		var logs bytes.Buffer
		h, _ := newHandler(t, strings.Replace(oneRoute, "http://127.0.0.1:1", address, 1), nil)
		h.log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/r/v1/chat/completions", strings.NewReader(`{"model":"m"}`)))
		if w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want 502 without the cause", address, w.Code, w.Body)
		}
		if line := logs.String(); !strings.Contains(line, "backend=a") || !strings.Contains(line, want) {
			t.Errorf("%s: the log does not tell of %q:\n%s", address, want, line)
		}
	}
}
