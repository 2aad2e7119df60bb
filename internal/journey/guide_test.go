//go:build linux

package journey

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/node"
)

// question is the guide's.
const question = `{"model":"llama3.2","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"Hello!"}]}`

// provider answers OpenAI's chat completions as Ollama does it (API reference, Create chat completion).
type provider struct {
	mu    sync.Mutex
	asked []*http.Request
}

// startProvider starts the guide's Ollama.
func startProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", ollama+":11434")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(p)
	_ = s.Listener.Close()
	s.Listener = ln
	s.Start()
	t.Cleanup(s.Close)
	return p
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r)
	p.mu.Unlock()
	if r.URL.Path != "/v1/chat/completions" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"chatcmpl-7","object":"chat.completion","created":1,"model":"llama3.2","system_fingerprint":"fp_ollama","choices":[`+
		`{"index":0,"message":{"role":"assistant","content":"Hello! How can I help?"},"finish_reason":"stop"}],"usage":{"prompt_tokens":31,"completion_tokens":8,"total_tokens":39}}`)
}

// last is the latest request.
func (p *provider) last() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		return nil
	}
	return p.asked[len(p.asked)-1]
}

// ask is the guide's curl, with more headers in pairs. It is an error unless a chat completion comes back.
func ask(t testing.TB, url string, header ...string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/ollama", strings.NewReader(question))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Object  string
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != http.StatusOK || len(answer.Choices) != 1 || answer.Choices[0].Message.Content == "" {
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

// manifests are the guide's objects, of which each text of old is replaced by what follows it.
func manifests(t *testing.T, old ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../../shared/reference/guide/manifests.yaml")
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile("../apiserver/testdata/guide.yaml")
	}
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for i := 0; i+1 < len(old); i += 2 {
		if !strings.Contains(out, old[i]) {
			t.Fatalf("the guide has no %q", old[i])
		}
		out = strings.ReplaceAll(out, old[i], old[i+1])
	}
	return out
}

// guide applies the guide's objects and waits until the Gateway serves them. It returns where that is.
func guide(t *testing.T, n *node.Node) string {
	t.Helper()
	n.Apply(t, manifests(t))
	cluster.Eventually(t, func() error {
		var gw gwv1.Gateway
		if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: "ai-gateway"}, &gw); err != nil {
			return err
		}
		if len(gw.Status.Listeners) != 1 || gw.Status.Listeners[0].AttachedRoutes != 1 {
			return fmt.Errorf("the Gateway's listeners are %+v", gw.Status.Listeners)
		}
		if len(gw.Status.Addresses) == 0 {
			return errors.New("the Gateway has no address")
		}
		return errors.Join(condition(gw.Status.Conditions, "Accepted", metav1.ConditionTrue, gw.Generation),
			condition(gw.Status.Conditions, "Programmed", metav1.ConditionTrue, gw.Generation))
	})
	available(t, n, system, "ai-gateway")
	return service(t, n, system, "ai-gateway", 8080)
}

// collected waits for a trace of what the Collector has printed since from, with all spans that are asked for by kind and name
// ("Client chat llama3.2") or by kind and service ("Server of Str(http)").
func collected(t *testing.T, n *node.Node, from int, names ...string) (trace []span) {
	t.Helper()
	cluster.Eventually(t, func() error {
		traces := map[string][]span{}
		seen := []string{}
		for _, s := range spans(printed(t, n)[from:]) {
			traces[s.trace] = append(traces[s.trace], s)
			seen = append(seen, s.trace[:4]+" "+s.kind+" "+s.name)
		}
		for _, trace = range traces {
			have := map[string]bool{}
			for _, s := range trace {
				have[s.kind+" "+s.name], have[s.kind+" of "+s.service] = true, true
			}
			all := true
			for _, name := range names {
				all = all && have[name]
			}
			if all {
				return nil
			}
		}
		return fmt.Errorf("no trace with %q in %q", names, seen)
	})
	return trace
}

// printed is the Collector's log.
func printed(t *testing.T, n *node.Node) string {
	t.Helper()
	return n.Log(t, "telemetry", collector, "opentelemetry-collector")
}

// TestGuide is the journey of the original's guides: their objects as published, which are odd, then mended; their curl; and what
// the Collector prints.
func TestGuide(t *testing.T) {
	n := here.install(t)
	p := startProvider(t)
	url := guide(t, n)
	cleared(t, n, manifests(t), client.ObjectKey{Namespace: system, Name: "ai-gateway"})

	policy := func(status metav1.ConditionStatus, texts ...string) {
		t.Helper()
		cluster.Eventually(t, func() error {
			var o v1alpha1.HTTPListenerPolicy
			if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: "tracing-policy"}, &o); err != nil {
				return err
			}
			if len(o.Status.Ancestors) != 1 {
				return fmt.Errorf("the policy's status is %+v", o.Status)
			}
			return condition(o.Status.Ancestors[0].Conditions, "Accepted", status, o.Generation, texts...)
		})
	}
	policy(metav1.ConditionFalse, "otel-collector-traces", collector)
	if err := ask(t, url); err != nil {
		t.Fatal(err)
	}
	if r := p.last(); r.Method != http.MethodPost || r.Host != ollama+":11434" || r.Header.Get("Authorization") != "Bearer placeholder" {
		t.Errorf("the provider was asked %s %s%s with %v", r.Method, r.Host, r.URL, r.Header)
	}
	trace := collected(t, n, 0, "Client chat llama3.2", "Server POST /ollama")
	for _, s := range trace {
		if s.name == "chat llama3.2" && (s.attributes["gen_ai.request.model"] != "Str(llama3.2)" || s.attributes["gen_ai.response.model"] != "Str(llama3.2)") {
			t.Errorf("the span has %v", s.attributes)
		}
	}

	from := len(printed(t, n))
	n.Apply(t, manifests(t, "name: otel-collector-traces", "name: "+collector))
	policy(metav1.ConditionTrue)
	cluster.Eventually(t, func() error {
		if err := ask(t, url); err != nil {
			t.Fatal(err)
		}
		for _, s := range spans(printed(t, n)[from:]) {
			if s.kind == "Server" && s.service == "Str(http)" {
				return nil
			}
		}
		return errors.New("no span of Envoy's")
	})
	trace = collected(t, n, from, "Client chat llama3.2", "Server of Str(http)")
	for _, s := range trace {
		t.Logf("%s %s of %s: %s, parent %q", s.kind, s.name, s.service, s.id, s.parent)
		for _, parent := range trace {
			if s.name == "chat llama3.2" && parent.id == s.parent && (parent.kind != "Server" || parent.service != "Str(http)") {
				t.Errorf("its parent is the span %s of %s", parent.name, parent.service)
			}
		}
	}
	var d appsv1.Deployment
	if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: "ai-gateway"}, &d); err != nil {
		t.Fatal(err)
	}
	if d.Generation != 1 {
		t.Errorf("the deployment has been changed %d times", d.Generation-1)
	}
}
