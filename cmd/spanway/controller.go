package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/kube"
)

// requestsPerSecond bounds the requests of a controller to the API server, which bounds them too (API Priority and Fairness).
const requestsPerSecond = 100

type controllerFlags struct {
	options kube.Options

	level, format string
}

func controllerCommand() *cobra.Command {
	var f controllerFlags
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Run the control plane in a Kubernetes cluster",
		Long: `Watches Gateways, HTTPRoutes and the kinds of the group gateway.kgateway.dev, deploys a data plane for each Gateway, tells it its
configuration, and writes into each object's status what became of it. The Helm chart "spanway" runs it.

Every replica serves data planes; the one that holds the lease deploys and writes statuses. While all are away data planes go on
with the configuration that they have.

Data planes ask on the control port, over TLS, and show their service account's token. The certificate is made and renewed by the
controller, and kept in the Secret "spanway-control" of its namespace. Of other Secrets and ConfigMaps only those are read that an
object refers to.

/readyz says whether all objects are known and the first configurations are out, /metrics has numbers in Prometheus' format.
OTEL_EXPORTER_OTLP_ENDPOINT and its like switch on traces of the controller's own work: a span for each rebuild.

SIGTERM and SIGINT give the lease back and end it.`,
		Example: `  spanway controller --namespace spanway-system
  spanway controller --kubeconfig ~/.kube/config --namespace spanway-system --control-host 192.0.2.7 --leader-elect=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runController(cmd, &f) },
	}
	o, fl := &f.options, cmd.Flags()
	fl.StringVar(&o.Kubeconfig, "kubeconfig", "", "how to reach the API server; default: KUBECONFIG, ~/.kube/config, and within a pod the pod's own account")
	fl.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the controller's own namespace, for its lease and its certificate; default: POD_NAMESPACE")
	fl.StringVar(&o.ControlAddress, "control-address", ":9977", "where data planes ask for their configuration")
	fl.StringVar(&o.ControlHost, "control-host", "", "name or address by which they reach the controller, with the same port; default: spanway.NAMESPACE.svc")
	fl.StringVar(&o.HealthAddress, "health-address", ":9093", "where /healthz and /readyz are; empty: nowhere")
	fl.StringVar(&o.MetricsAddress, "metrics-address", ":9092", "where /metrics is; empty: nowhere")
	fl.StringVar(&o.EnvoyImage, "envoy-image", "docker.io/envoyproxy/envoy:distroless-v1.40.0", "what data planes run as Envoy unless their parameters say otherwise")
	fl.StringVar(&o.ProcessorImage, "processor-image", "ghcr.io/spanway/spanway:"+imageTag(), "what runs beside it")
	fl.StringVar(&o.GatewayDefaults, "gateway-defaults", "", `YAML file with the parameters of all Gateways, as spec.kube of a GatewayParameters; those
of a class and of a Gateway are merged over it. Its aiExtension.enabled and aiExtension.tracing switch on AI and its traces everywhere`)
	fl.StringVar(&o.PolicyNamespace, "policy-namespace", "", "namespace whose policies reach objects of all namespaces by targetSelectors; default: none")
	fl.StringVar(&o.Domain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	fl.StringSliceVar(&o.Classes, "gateway-class", []string{"kgateway"}, "GatewayClasses that are created where they are missing: kgateway, kgateway-waypoint")
	fl.BoolVar(&o.LeaderElection, "leader-elect", true, "wait for the lease before writing; false is for a controller that is alone")
	fl.StringVar(&o.Lease.Name, "lease", "spanway-controller", "name of the lease")
	fl.DurationVar(&o.Lease.Duration, "lease-duration", 0, "how long others wait for a leader that is silent (default 15s)")
	fl.Float32Var(&o.QPS, "kube-api-qps", requestsPerSecond, "requests a second to the API server at most, for statuses and for the rest each")
	fl.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	fl.StringVar(&f.format, "log-format", "text", "text or json")
	_ = cmd.MarkFlagFilename("kubeconfig") // only for completion
	_ = cmd.MarkFlagFilename("gateway-defaults", "yaml", "yml")
	return cmd
}

// imageTag is the tag of the image of this version.
func imageTag() string {
	if v, _, _ := strings.Cut(version(), " "); strings.HasPrefix(v, "v") {
		return strings.TrimPrefix(v, "v")
	}
	return "latest"
}

func runController(cmd *cobra.Command, f *controllerFlags) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return fmt.Errorf("--log-level %q: want debug, info, warn or error", f.level)
	}
	h := &slog.HandlerOptions{Level: level}
	switch f.format {
	case "text":
		f.options.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), h))
	case "json":
		f.options.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), h))
	default:
		return fmt.Errorf("--log-format %q: want text or json", f.format)
	}
	f.options.Version = version()
	kube.SetLog(f.options.Log)
	return kube.Run(cmd.Context(), f.options)
}
