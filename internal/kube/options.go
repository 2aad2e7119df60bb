package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/deployer"
)

// Options are what Run needs to know. What has no default must be set.
type Options struct {
	// Config is how to reach the API server; nil = as Kubeconfig says.
	Config *rest.Config
	// Kubeconfig is a file; "" = that of the environment variable KUBECONFIG or of the home directory, within a pod the pod's own.
	Kubeconfig string
	// Namespace is the controller's own, where its Lease and its certificate are.
	Namespace string
	// ControlAddress is where data planes ask for their configuration, such as ":9977".
	ControlAddress string
	// ControlHost is the name or address by which data planes reach the controller, such as spanway.spanway-system.svc.
	ControlHost string
	// HealthAddress and MetricsAddress are where operators ask; "" = nowhere. They may be the same.
	HealthAddress, MetricsAddress string
	// EnvoyImage and ProcessorImage are what data planes run unless their parameters say otherwise: [REGISTRY/]REPOSITORY:TAG.
	EnvoyImage, ProcessorImage string
	// GatewayDefaults is a file with the parameters of all Gateways before those of their class and their own, as spec.kube of a
	// GatewayParameters; "" = none.
	GatewayDefaults string
	// PolicyNamespace holds policies whose targetSelectors reach objects of all namespaces; "" = none does.
	PolicyNamespace string
	// Domain is the cluster's DNS domain.
	Domain string
	// Classes are GatewayClasses that are created where they are missing.
	Classes []string
	// LeaderElection is whether to wait for the lease before writing: false is for a controller that is alone.
	LeaderElection bool
	Lease          Lease
	// QPS bounds requests a second to the API server, for writing as for the rest.
	QPS     float32
	Version string
	Log     *slog.Logger

	// retry is how often missing definitions are looked for; 0 = as definitionsEvery says.
	retry time.Duration
}

// Defaults.
const (
	definitionsEvery = 10 * time.Second
	leaseName        = "spanway-controller"
	certificateName  = "spanway-control"
)

// check fills in defaults, and reports what is wrong.
func (o *Options) check() error {
	var errs []error
	if o.Namespace == "" {
		errs = append(errs, errors.New("--namespace: in which namespace does the controller run? Set it, or POD_NAMESPACE"))
	}
	if o.ControlHost == "" {
		o.ControlHost = "spanway." + o.Namespace + ".svc"
	}
	if o.Lease.Name == "" {
		o.Lease.Name = leaseName
	}
	if o.Lease.Identity == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "spanway"
		}
		o.Lease.Identity = host + "_" + uuid.NewString()
	}
	orElse(&o.Lease.Duration, 15*time.Second)
	orElse(&o.Lease.Renew, o.Lease.Duration*2/3)
	orElse(&o.Lease.Retry, o.Lease.Duration*2/15)
	orElse(&o.retry, definitionsEvery)
	for _, c := range o.Classes {
		if description(c) == "" {
			errs = append(errs, fmt.Errorf("--gateway-class %q: want %s", c, strings.Join(classNames(), " or ")))
		}
	}
	return errors.Join(errs...)
}

func orElse(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// classNames are the GatewayClasses that can be created.
func classNames() []string { return []string{"kgateway", "kgateway-waypoint"} }

// description is that of a class that is created; "" = there is no such class.
func description(class string) string {
	switch class {
	case "kgateway":
		return "AI gateways with Envoy and Spanway."
	case "kgateway-waypoint":
		return "AI gateways with Envoy and Spanway, within a mesh."
	}
	return ""
}

// config is how to reach the API server.
func (o *Options) config() (*rest.Config, error) {
	if o.Config != nil {
		return rest.CopyConfig(o.Config), nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	return c, nil
}

// defaults are the parameters in the file GatewayDefaults.
func (o *Options) defaults() (*v1alpha1.KubeParameters, error) {
	if o.GatewayDefaults == "" {
		return nil, nil //nolint:nilnil // none
	}
	text, err := os.ReadFile(o.GatewayDefaults)
	if err != nil {
		return nil, fmt.Errorf("defaults of gateways: %w", err)
	}
	p := &v1alpha1.KubeParameters{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		return nil, fmt.Errorf("defaults of gateways: %s: %w", o.GatewayDefaults, err)
	}
	return p, nil
}

// deploy is what all data planes have in common.
func (o *Options) deploy(port string) (deployer.Input, error) {
	envoy, err := image(o.EnvoyImage)
	if err != nil {
		return deployer.Input{}, fmt.Errorf("--envoy-image: %w", err)
	}
	processor, err := image(o.ProcessorImage)
	if err != nil {
		return deployer.Input{}, fmt.Errorf("--processor-image: %w", err)
	}
	return deployer.Input{Control: deployer.Control{Address: net.JoinHostPort(o.ControlHost, port)}, Version: o.Version,
		Images: deployer.Images{Envoy: envoy, Processor: processor}}, nil
}

// image reads [REGISTRY/]REPOSITORY:TAG. A registry is told from a repository as container runtimes do it: by a dot or a port, or
// because it is localhost.
func image(s string) (deployer.Image, error) {
	registry, rest, ok := strings.Cut(s, "/")
	if !ok || !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		registry, rest = "", s
	}
	repository, tag, tagged := strings.Cut(rest, ":")
	if !tagged || repository == "" || tag == "" || strings.Contains(s, "@") {
		return deployer.Image{}, fmt.Errorf("%q: want REGISTRY/REPOSITORY:TAG", s)
	}
	return deployer.Image{Registry: registry, Repository: repository, Tag: tag}, nil
}
