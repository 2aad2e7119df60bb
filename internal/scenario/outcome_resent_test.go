package scenario

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestResent shows that a request which went out twice, because its kept connection was closed under it, says so.
func TestResent(t *testing.T) {
	up := StartUpstream(t,
		Respond(200, "application/json", `{"id":"1"}`),
		CloseAtOnce(),
		Respond(200, "application/json", `{"id":"2"}`))
	gw := Start(t, `
listen: 127.0.0.1:0
admin: off
backends: {up: {provider: openai, url: "`+up.URL+`", key: k}}
routes: [{name: r, match: {path: /}, to: up, retry: {attempts: 1}}]
`)
	for range 2 {
		resp, err := http.Post(gw.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"m","messages":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", resp.StatusCode, err)
		}
		_ = resp.Body.Close()
	}
	var resent []bool
	for _, spans := range gw.Traces(t, 2) {
		attempt := Find(spans, "spanway.attempt")
		resent = append(resent, slices.Contains(attempt.Events, "spanway.connection.resent"))
	}
	if want := []bool{false, true}; !slices.Equal(resent, want) {
		t.Errorf("resent: %v, want %v", resent, want)
	}
}
