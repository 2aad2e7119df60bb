package translate

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// TestMerge: each rule by which parameters are merged.
func TestMerge(t *testing.T) {
	tests := []struct{ name, base, over, want string }{
		{"scalars replace", `service: {type: NodePort, clusterIP: 10.0.0.1}`, `service: {type: ClusterIP}`, `service: {type: ClusterIP, clusterIP: 10.0.0.1}`},
		{"false replaces true", `aiExtension: {enabled: true}`, `aiExtension: {enabled: false}`, `aiExtension: {enabled: false}`},
		{"maps are united", `envoyContainer: {bootstrap: {componentLogLevels: {a: info, b: info}}}`, `envoyContainer: {bootstrap: {componentLogLevels: {b: debug, c: warn}}}`,
			`envoyContainer: {bootstrap: {componentLogLevels: {a: info, b: debug, c: warn}}}`},
		{"lists are appended", `aiExtension: {env: [{name: A, value: "1"}]}`, `aiExtension: {env: [{name: B, value: "2"}]}`, `aiExtension: {env: [{name: A, value: "1"}, {name: B, value: "2"}]}`},
		{"an empty list clears", `podTemplate: {tolerations: [{key: a}]}`, `podTemplate: {tolerations: []}`, `podTemplate: {tolerations: []}`},
		{"an absent list does not", `podTemplate: {tolerations: [{key: a}]}`, `podTemplate: {}`, `podTemplate: {tolerations: [{key: a}]}`},
		{"capabilities are appended", `envoyContainer: {securityContext: {capabilities: {drop: [ALL]}}}`, `envoyContainer: {securityContext: {runAsUser: 7, capabilities: {drop: [X], add: [NET_ADMIN]}}}`,
			`envoyContainer: {securityContext: {runAsUser: 7, capabilities: {drop: [ALL, X], add: [NET_ADMIN]}}}`},
		{"tracing by field", `aiExtension: {tracing: {endpoint: "http://a:1", timeout: 1s, sampler: {type: traceidratio, arg: "0.5"}}}`, `aiExtension: {tracing: {endpoint: "http://b:1", sampler: {type: alwaysOn}}}`,
			`aiExtension: {tracing: {endpoint: "http://b:1", timeout: 1s, sampler: {type: alwaysOn}}}`},
		{"sidecars are replaced", `istio: {customSidecars: [{name: a}]}`, `istio: {customSidecars: [{name: b}]}`, `istio: {customSidecars: [{name: b}]}`},
		{"probe handlers are replaced", `podTemplate: {readinessProbe: {periodSeconds: 3, httpGet: {path: /a, port: 1}}}`, `podTemplate: {readinessProbe: {tcpSocket: {port: 2}}}`,
			`podTemplate: {readinessProbe: {periodSeconds: 3, tcpSocket: {port: 2}}}`},
		{"replicas clear omitReplicas", `deployment: {omitReplicas: true}`, `deployment: {replicas: 2}`, `deployment: {replicas: 2}`},
		{"omitReplicas clears replicas", `deployment: {replicas: 2}`, `deployment: {omitReplicas: true}`, `deployment: {omitReplicas: true}`},
		{"quantities are wholes", `aiExtension: {resources: {limits: {cpu: 1, memory: 1Gi}}}`, `aiExtension: {resources: {limits: {cpu: 500m}}}`, `aiExtension: {resources: {limits: {cpu: 500m, memory: 1Gi}}}`},
		{"strategies are wholes", `deployment: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}`, `deployment: {strategy: {type: Recreate}}`, `deployment: {strategy: {type: Recreate}}`},
		{"budgets are wholes", `podDisruptionBudget: {minAvailable: 1}`, `podDisruptionBudget: {maxUnavailable: 1}`, `podDisruptionBudget: {maxUnavailable: 1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, over := kube(t, tt.base), kube(t, tt.over)
			got := mergeParameters(base, over)
			if d := cmp.Diff(kube(t, tt.want), got); d != "" {
				t.Errorf("merged otherwise (-want +got):\n%s", d)
			}
			if d := cmp.Diff(kube(t, tt.base), base) + cmp.Diff(kube(t, tt.over), over); d != "" {
				t.Errorf("the arguments were changed:\n%s", d)
			}
		})
	}
}

func kube(t *testing.T, text string) *v1alpha1.KubeParameters {
	t.Helper()
	out := &v1alpha1.KubeParameters{}
	if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCombine: shares of destinations hold whatever the number of their members.
func TestCombine(t *testing.T) {
	if got := lcm(3, 4); got != 12 {
		t.Errorf("lcm(3, 4) = %d", got)
	}
	for _, w := range []struct{ a, b int }{{1, 1}, {1, 999_999}, {1_000_000, 1}} {
		parts := []weighted{{w.a, pools(3)}, {w.b, pools(7)}, {0, pools(1)}}
		group := combine(parts)[0]
		sum := map[string]int{}
		for _, target := range group {
			if target.Weight < 1 || target.Weight > maxWeight {
				t.Errorf("weights %v: a target has the weight %d", w, target.Weight)
			}
			sum[target.Backend] += target.Weight
		}
		want := float64(w.a) / float64(w.a+w.b)
		if got := float64(sum["d"]) / float64(sum["d"]+sum["h"]); math.Abs(got-want) > 1e-4 {
			t.Errorf("weights %v: the first has %f of the calls, want %f", w, got, want)
		}
		if len(group) != 10 {
			t.Errorf("weights %v: %d targets, want 10", w, len(group))
		}
	}
}

// pools is one group of n targets.
func pools(n int) [][]ir.Target {
	var group []ir.Target
	for range n {
		group = append(group, ir.Target{Backend: string(rune('a' + n)), Weight: 1})
	}
	return [][]ir.Target{group}
}
