//go:build linux

package journey

import (
	"errors"
	"io/fs"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	gwv1alpha2 "sigs.k8s.io/gateway-api/apis/v1alpha2"
	gwv1alpha3 "sigs.k8s.io/gateway-api/apis/v1alpha3"
	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/flags"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"

	"github.com/spanway/spanway/internal/cluster"
)

// TestConformance is the Gateway API's own suite: the profile of HTTP gateways, with the features that the GatewayClass claims. The
// suite's flags work: "go test ./internal/journey -run Conformance -run-test HTTPRouteWeight", -report-output FILE.
func TestConformance(t *testing.T) {
	n := here.install(t)
	scheme, err := cluster.NewScheme()
	if err := errors.Join(err, gwv1alpha2.Install(scheme), gwv1alpha3.Install(scheme)); err != nil {
		t.Fatal(err)
	}
	o := client.Options{Scheme: scheme}
	c, err := client.New(n.Config, o)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, func() error {
		var class gwv1.GatewayClass
		if err := c.Get(t.Context(), client.ObjectKey{Name: "kgateway"}, &class); err != nil {
			return err
		}
		if len(class.Status.SupportedFeatures) == 0 {
			return errors.New("the class claims no feature")
		}
		return condition(class.Status.Conditions, "Accepted", metav1.ConditionTrue, class.Generation)
	})
	set, err := kubernetes.NewForConfig(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	options := suite.ConformanceOptions{
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName: "kgateway", TimeoutConfig: config.DefaultTimeoutConfig(), CleanupBaseResources: true, CleanupTestResources: true,
			ConformanceProfiles: []suite.ConformanceProfileName{suite.GatewayHTTPConformanceProfileName},
		},
		Client: c, ClientOptions: o, Clientset: set, RestConfig: n.Config, ManifestFS: []fs.FS{&conformance.Manifests},
	}
	flags.ApplyAll(&options.ConfigurableOptions)
	conformance.RunConformanceWithOptions(t, options)
}
