package scenario

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// webhookRoute routes /r to u past a webhook guard.
func webhookRoute(u *Upstream, webhook string) string {
	return config(fmt.Sprintf("a: {provider: openai, url: %q, key: sk-a}", u.URL),
		fmt.Sprintf("%s\npolicies: [{guard: {name: g, webhook: %s, request: true}}]", toA, webhook))
}

// TestWebhookOverTLS verifies the service's certificate: by the authority that configuration names, or not at all.
func TestWebhookOverTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"action":{}}`) }))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for tls, status := range map[string]int{fmt.Sprintf("{ca: %q}", ca): 200, "{insecureSkipVerify: true}": 200, "{}": 503} {
		u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
		gw := startOne(t, webhookRoute(u, fmt.Sprintf("{url: %q, tls: %s}", s.URL, tls)))
		got := send(t.Context(), newClient(t), "POST", gw.URL+"/r"+openAIChat, chatBody, nil)
		equal(t, "status with "+tls, got.status, status)
		gw.Trace(t)
	}
}

// TestClientGoneWhileAGuardIsAsked hangs up while the webhook thinks: the provider is never called.
func TestClientGoneWhileAGuardIsAsked(t *testing.T) { onPlanes(t, clientGoneWhileAGuardIsAsked) }

func clientGoneWhileAGuardIsAsked(t *testing.T, p Plane) {
	ctx, hangUp := context.WithCancel(t.Context())
	seen := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // the connection's end is noticed once the body is read
		hangUp()
		select {
		case <-r.Context().Done():
			seen <- nil
		case <-time.After(10 * time.Second):
			seen <- fmt.Errorf("the webhook is still asked")
		}
	}))
	defer s.Close()
	u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
	gw := startOn(t, p, webhookRoute(u, fmt.Sprintf("{url: %q, timeout: 60s, failure: open}", s.URL)))
	send(ctx, newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil)
	if err := <-seen; err != nil {
		t.Error(err)
	}
	spans := gw.Trace(t)
	equal(t, "outcome", spans[0].Attrs["spanway.outcome"], any("client_gone"))
	equal(t, "calls", u.Calls(), 0)
}
