package deployer

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// sidecar is the processor's container.
func (r *render) sidecar() corev1.Container {
	p := r.p.AIExtension
	args := []string{
		"extproc", "--gateway", r.Gateway.Namespace + "/" + r.Gateway.Name,
		"--control-plane", r.Control.Address, "--control-ca", authorityFile, "--control-token", tokenFile,
		"--listen", Processor, "--admin", ":9092", "--envoy-admin", EnvoyAdmin, "--drain-key", r.drainKey(), "--log-level", logLevel(p.Env),
	}
	env := environment(p.Env)
	if !slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == resourceVariable }) {
		env = append(env, corev1.EnvVar{Name: resourceVariable, Value: "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE)"})
	}
	ports := slices.Clone(p.Ports)
	if !slices.ContainsFunc(ports, func(c corev1.ContainerPort) bool { return c.ContainerPort == adminPort }) {
		ports = append(ports, corev1.ContainerPort{Name: "ai-monitoring", ContainerPort: adminPort, Protocol: corev1.ProtocolTCP})
	}
	for i := range ports {
		if ports[i].Protocol == "" {
			ports[i].Protocol = corev1.ProtocolTCP // what Kubernetes takes it for; a part of the port's key
		}
	}
	c := corev1.Container{
		Name: processorContainer, Command: []string{"/spanway"}, Args: args, Env: env, Ports: ports, VolumeMounts: r.mounts(nil),
		ReadinessProbe: probe("/readyz", adminPort), LivenessProbe: probe("/healthz", adminPort),
		Lifecycle: r.lifecycle(), SecurityContext: r.security(p.SecurityContext),
	}
	r.contain(&c, &p.ContainerParameters, &r.Images.Processor)
	return c
}

// resourceVariable has attributes of the process's telemetry (OpenTelemetry, Resource SDK, section Specifying resource information via
// an environment variable).
const resourceVariable = "OTEL_RESOURCE_ATTRIBUTES"

// logLevel is what the variable LOG_LEVEL asks for, which is how kgateway's container is told.
func logLevel(env []corev1.EnvVar) string {
	level := "info"
	for _, e := range env {
		if e.Name != "LOG_LEVEL" {
			continue
		}
		switch strings.ToLower(e.Value) {
		case "debug", "info", "warn", "error":
			level = strings.ToLower(e.Value)
		case "warning":
			level = "warn"
		case "critical", "fatal":
			level = "error"
		case "notset", "trace":
			level = "debug"
		}
	}
	return level
}
