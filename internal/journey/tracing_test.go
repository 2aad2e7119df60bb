//go:build linux

package journey

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
	"github.com/spanway/spanway/internal/node"
)

// exportPatience is how long a span may take to the Collector's log.
const exportPatience = 3 * time.Second

// exported asks once, as part of a trace with flags or of none (""), and reports whether the call's span comes to the Collector.
func exported(t *testing.T, n *node.Node, url, flags string) bool {
	t.Helper()
	var id [24]byte
	_, _ = rand.Read(id[:])
	trace, from := hex.EncodeToString(id[:16]), len(printed(t, n))
	var header []string
	if flags != "" {
		header = []string{"traceparent", "00-" + trace + "-" + hex.EncodeToString(id[16:]) + "-" + flags}
	}
	if err := ask(t, url, header...); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(exportPatience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		for _, s := range spans(printed(t, n)[from:]) {
			if s.name == "chat llama3.2" && (flags == "" || s.trace == trace) {
				return true
			}
		}
	}
	return false
}

// TestTracing changes the guide's tracing again and again: all samplers, all protocols, a long timeout. The pods stay, and calls
// are exported, or not, as the sampler says of calls of no trace, of a trace that is sampled and of one that is not.
func TestTracing(t *testing.T) {
	n := here.install(t)
	startProvider(t)
	url := guide(t, n)
	cleared(t, n, manifests(t), client.ObjectKey{Namespace: system, Name: "ai-gateway"})
	// Envoy takes no part.
	n.Delete(t, "{apiVersion: gateway.kgateway.dev/v1alpha1, kind: HTTPListenerPolicy, metadata: {name: tracing-policy, namespace: "+system+"}}")
	cluster.Eventually(t, func() error {
		if !exported(t, n, url, "") {
			return errors.New("nothing is exported as published")
		}
		return nil
	})
	const grpc, http = `"http://opentelemetry-collector-traces.telemetry:4317"`, `"http://opentelemetry-collector-traces.telemetry:4318"`
	for _, test := range []struct {
		name, endpoint, more, sampler, arg string
		root, sampled, unsampled           bool
	}{
		{"always off", grpc, "", "alwaysOff", "", false, false, false},
		{"http/protobuf", http, "protocol: http/protobuf", "alwaysOn", "", true, true, true},
		{"no share", http, "protocol: http/protobuf", "traceidratio", "0", false, false, false},
		{"http/json, a long timeout", http, "protocol: http/json\n        timeout: 100s", "traceidratio", "1.0", true, true, true},
		{"parent based, off", http, "protocol: http/json", "parentbasedAlwaysOff", "", false, true, false},
		{"parent based, on", grpc, "protocol: grpc\n        timeout: 100s", "parentbasedAlwaysOn", "", true, true, false},
		{"parent based, no share", grpc, "timeout: 100s", "parentbasedTraceidratio", "0.0", false, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			sampler := `type: "` + test.sampler + `"`
			if test.arg != "" {
				sampler += "\n          arg: \"" + test.arg + `"`
			}
			objects := manifests(t, `type: "alwaysOn"`, sampler, "endpoint: "+grpc, "endpoint: "+test.endpoint+"\n        "+test.more)
			parameters, _, _ := strings.Cut(objects, "\n---\n")
			n.Apply(t, parameters)
			cluster.Eventually(t, func() error {
				if got := exported(t, n, url, ""); got != test.root {
					return fmt.Errorf("a call of no trace is exported: %v", got)
				}
				return nil
			})
			if got := exported(t, n, url, "01"); got != test.sampled {
				t.Errorf("a call of a sampled trace is exported: %v", got)
			}
			if got := exported(t, n, url, "00"); got != test.unsampled {
				t.Errorf("a call of a trace that is not sampled is exported: %v", got)
			}
		})
	}
	var d appsv1.Deployment
	if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: system, Name: "ai-gateway"}, &d); err != nil || d.Generation != 1 {
		t.Errorf("%v: the deployment has been changed %d times", err, d.Generation-1)
	}
}
