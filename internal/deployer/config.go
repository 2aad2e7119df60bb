package deployer

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/spanway/spanway/internal/xds"
)

// config is the ConfigMap with Envoy's bootstrap and the controller's authority.
func (r *render) config() (*corev1.ConfigMap, error) {
	host, _, err := net.SplitHostPort(r.Control.Address)
	if err != nil {
		return nil, fmt.Errorf("control address: %w", err)
	}
	boot := xds.Boot{
		Role: xds.Role(r.Gateway.Namespace, r.Gateway.Name), Admin: EnvoyAdmin, Control: r.Control.Address, Ready: fmt.Sprintf("[::]:%d", readyPort),
		TLS: &xds.ControlTLS{CAFile: authorityFile, ServerName: host, TokenFile: tokenFile, SecretsDir: configDir},
	}
	if r.stats() {
		boot.Stats = fmt.Sprintf("[::]:%d", statsPort)
		if boot.MetricsFrom, boot.StatsFrom, err = r.statsPaths(); err != nil {
			return nil, err
		}
	}
	b, err := xds.Dynamic(boot)
	if err != nil {
		return nil, err
	}
	bootstrap, err := xds.YAML(b)
	if err != nil {
		return nil, err
	}
	m := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: r.meta(r.Gateway.Name, nil, nil),
		Data:       map[string]string{"envoy.yaml": string(bootstrap), "ca.crt": r.Control.CA},
	}
	secrets, err := xds.ControlSecrets(boot)
	if err != nil {
		return nil, err
	}
	for name, secret := range secrets {
		text, err := xds.YAML(secret)
		if err != nil {
			return nil, err
		}
		m.Data[name] = string(text)
	}
	return m, nil
}

// statsPaths are the paths of Envoy's own that /metrics and /stats stand for; "" is no /stats.
func (r *render) statsPaths() (metrics, stats string, err error) {
	metrics, stats = "/stats/prometheus?usedonly", "/stats"
	p := r.p.Stats
	if p == nil {
		return metrics, stats, nil
	}
	for _, f := range []struct {
		name string
		set  *string
		path *string
	}{{"routePrefixRewrite", p.RoutePrefixRewrite, &metrics}, {"statsRoutePrefixRewrite", p.StatsRoutePrefixRewrite, &stats}} {
		if f.set == nil {
			continue
		}
		if !pathOfEnvoy.MatchString(*f.set) {
			return "", "", fmt.Errorf("stats.%s: %q is no path: it begins with a slash and has no spaces", f.name, *f.set)
		}
		*f.path = *f.set
	}
	if p.EnableStatsRoute != nil && !*p.EnableStatsRoute {
		stats = ""
	}
	return metrics, stats, nil
}

var pathOfEnvoy = regexp.MustCompile(`^/[[:graph:]]*$`)

// otel is the ConfigMap that shows what the processor's telemetry is to be; nil where nothing is said. Processors have it from the
// controller: a change needs no new pods.
func (r *render) otel() (*corev1.ConfigMap, error) {
	a := r.p.AIExtension
	if !r.processor || a.Stats == nil && a.Tracing == nil {
		return nil, nil //nolint:nilnil // documented
	}
	m := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: r.meta(r.Gateway.Name+otelSuffix, nil, nil), Data: map[string]string{},
	}
	if a.Stats != nil {
		if err := show(m, "stats.json", a.Stats); err != nil {
			return nil, err
		}
	}
	if a.Tracing != nil {
		if err := show(m, "tracing.json", a.Tracing); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// show puts v into m, in JSON.
func show(m *corev1.ConfigMap, key string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	m.Data[key] = string(text) + "\n"
	return nil
}
