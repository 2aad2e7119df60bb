//go:build linux

package journey

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
)

// TestCharts gives a real API server what the chart makes of values: it would take all of it.
func TestCharts(t *testing.T) {
	n := here.install(t)
	for name, values := range map[string][]string{
		"default": nil,
		"high availability": {"controller.replicaCount=3", "controller.podDisruptionBudget.maxUnavailable=1", "gateway.aiExtension.enabled=true",
			"gateway.parameters.deployment.replicas=3", "gateway.parameters.podDisruptionBudget.minAvailable=1",
			"gateway.aiExtension.tracing.endpoint=http://collector.telemetry:4318", "gateway.aiExtension.tracing.protocol=http/protobuf",
			"gateway.aiExtension.tracing.sampler.type=parentbasedTraceidratio", "gateway.aiExtension.tracing.sampler.arg=0.5"},
		"minimal": {"controller.resources=null", "controller.logLevel=error", "gateway.parameters.service.type=ClusterIP"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := cluster.Objects(chart(t, values...))
			if err != nil {
				t.Fatal(err)
			}
			if len(objects) < 7 {
				t.Errorf("only %d objects", len(objects))
			}
			for _, u := range objects {
				if err := n.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("helm"), client.ForceOwnership, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
				}
			}
		})
	}
}
