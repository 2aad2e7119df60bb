package deployer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/envoy"
)

// Ports of a pod beside its listeners'.
const (
	readyPort = 8082 // Envoy's /ready
	statsPort = 9091 // Envoy's metrics
	adminPort = 9092 // the processor's health, metrics and /drain
)

// Places in a pod.
const (
	configDir     = "/etc/envoy"
	configFile    = configDir + "/envoy.yaml"
	authorityFile = configDir + "/ca.crt"
	tokenDir      = "/var/run/secrets/spanway"
	tokenFile     = tokenDir + "/token"
	socketDir     = "/run/spanway"
	// Processor is where Envoy finds the processor in its pod.
	Processor = "unix:" + socketDir + "/processor.sock"
	// Roots is where Envoy's image has the authorities that it trusts.
	Roots = "/etc/ssl/certs/ca-certificates.crt"
	// EnvoyAdmin is Envoy's administration interface, for the containers of its pod alone.
	EnvoyAdmin = "127.0.0.1:19000"
	// Audience is whom the token is for that a pod shows the controller.
	Audience = "spanway"
)

// ConfigHash is the annotation of pods by which they are replaced when what they read at their start has changed.
const ConfigHash = "spanway.dev/config-hash"

// Times of a pod's end, seconds.
const (
	tokenSeconds = 3600 // that a token is good for; it is renewed before
	drainSeconds = 30   // that running calls may go on for
	sleepSeconds = 10   // that new calls are still taken for, while load balancers learn that the pod ends
	graceSeconds = 60   // in all, without more to sleep
)

// user is whom containers run as, unless the platform chooses.
const user = 10101

func (r *render) deployment(config *corev1.ConfigMap) (*appsv1.Deployment, error) {
	containers, err := r.containers()
	if err != nil {
		return nil, err
	}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: r.meta(r.Gateway.Name, nil, nil),
		Spec: appsv1.DeploymentSpec{
			Replicas: r.replicas(),
			Selector: &metav1.LabelSelector{MatchLabels: Selector(r.Gateway.Name)},
			Template: corev1.PodTemplateSpec{ObjectMeta: r.podMeta(config), Spec: corev1.PodSpec{
				ServiceAccountName: r.Gateway.Name, AutomountServiceAccountToken: new(false),
				Containers: containers, Volumes: r.volumes(), TerminationGracePeriodSeconds: new(r.grace()), SecurityContext: r.podSecurity(),
			}},
		},
	}
	if p := r.p.Deployment; p != nil && p.Strategy != nil {
		d.Spec.Strategy = *p.Strategy
	}
	if t := r.p.PodTemplate; t != nil {
		s := &d.Spec.Template.Spec
		s.ImagePullSecrets, s.NodeSelector, s.Affinity = t.ImagePullSecrets, t.NodeSelector, t.Affinity
		s.Tolerations, s.TopologySpreadConstraints = t.Tolerations, t.TopologySpreadConstraints
	}
	return d, nil
}

// replicas is nil where something else sets their number.
func (r *render) replicas() *int32 {
	d := r.p.Deployment
	switch {
	case r.p.HorizontalPodAutoscaler != nil || d != nil && is(d.OmitReplicas):
		return nil
	case d != nil && d.Replicas != nil:
		return d.Replicas
	}
	return new(int32(1))
}

func is(b *bool) bool { return b != nil && *b }

func (r *render) podMeta(config *corev1.ConfigMap) metav1.ObjectMeta {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(config.Data)) {
		fmt.Fprintf(h, "%d %s %d %s", len(key), key, len(config.Data[key]), config.Data[key])
	}
	annotations := map[string]string{ConfigHash: hex.EncodeToString(h.Sum(nil)[:8])}
	if r.stats() {
		annotations["prometheus.io/scrape"] = "true"
		annotations["prometheus.io/port"] = strconv.Itoa(statsPort)
		annotations["prometheus.io/path"] = "/metrics"
	}
	var labels map[string]string
	if t := r.p.PodTemplate; t != nil {
		labels = t.ExtraLabels
		join(annotations, t.ExtraAnnotations)
	}
	m := r.meta("", labels, annotations)
	m.Namespace = ""
	return m
}

// stats reports whether Envoy's metrics are served.
func (r *render) stats() bool {
	return r.p.Stats == nil || r.p.Stats.Enabled == nil || *r.p.Stats.Enabled
}

func (r *render) volumes() []corev1.Volume {
	out := []corev1.Volume{
		{Name: "envoy-config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: r.Gateway.Name}}}},
		{Name: "control-token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: Audience, ExpirationSeconds: new(int64(tokenSeconds)), Path: "token"}}}}}},
	}
	if r.processor {
		out = append(out, corev1.Volume{Name: "sockets", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	if t := r.p.PodTemplate; t != nil {
		out = append(out, t.ExtraVolumes...)
	}
	return out
}

// mounts are those of both containers.
func (r *render) mounts(extra []corev1.VolumeMount) []corev1.VolumeMount {
	out := []corev1.VolumeMount{
		{Name: "envoy-config", MountPath: configDir, ReadOnly: true},
		{Name: "control-token", MountPath: tokenDir, ReadOnly: true},
	}
	if r.processor {
		out = append(out, corev1.VolumeMount{Name: "sockets", MountPath: socketDir})
	}
	return append(out, extra...)
}

// graceful reports whether a pod's calls are waited for, and how long new ones are still taken.
func (r *render) graceful() (bool, int64) {
	t := r.p.PodTemplate
	switch {
	case t == nil || t.GracefulShutdown == nil:
		return true, sleepSeconds
	case t.GracefulShutdown.Enabled != nil && !*t.GracefulShutdown.Enabled:
		return false, 0
	case t.GracefulShutdown.SleepTimeSeconds != nil:
		return true, *t.GracefulShutdown.SleepTimeSeconds
	}
	return true, sleepSeconds
}

// grace is how long a pod may take to end: what it sleeps, drains, and some.
func (r *render) grace() int64 {
	if t := r.p.PodTemplate; t != nil && t.TerminationGracePeriodSeconds != nil {
		return *t.TerminationGracePeriodSeconds
	}
	_, sleep := r.graceful()
	return max(graceSeconds, sleep+drainSeconds+graceSeconds/4)
}

// lifecycle lets a container's calls end before it is told to. The processor drains both: it sees the calls.
func (r *render) lifecycle() *corev1.Lifecycle {
	on, sleep := r.graceful()
	switch {
	case !on:
		return nil
	case r.processor:
		return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: fmt.Sprintf("/drain/%s?after=%ds", r.drainKey(), sleep), Port: intstr.FromInt32(adminPort)}}}
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: sleep}}}
}

// drainKey is what others than the pod's own node, who reach its ports, cannot know.
func (r *render) drainKey() string {
	sum := sha256.Sum256([]byte("drain " + string(r.Gateway.UID)))
	return hex.EncodeToString(sum[:16])
}

func (r *render) containers() ([]corev1.Container, error) {
	e, err := r.envoy()
	if err != nil {
		return nil, err
	}
	out := []corev1.Container{e}
	if r.processor {
		out = append(out, r.sidecar())
	}
	if i := r.p.Istio; i != nil {
		out = append(out, i.CustomSidecars...)
	}
	return out, nil
}

func (r *render) envoy() (corev1.Container, error) {
	p := r.p.EnvoyContainer
	if p == nil {
		p = &v1alpha1.EnvoyContainer{}
	}
	args := []string{"--config-path", configFile, "--disable-hot-restart", "--service-node", "$(POD_NAME).$(POD_NAMESPACE)"}
	level, components := "info", map[string]string{}
	if b := p.Bootstrap; b != nil {
		if b.LogLevel != nil {
			level = *b.LogLevel
		}
		maps.Copy(components, b.ComponentLogLevels)
	}
	list, err := componentLevels(level, components)
	if err != nil {
		return corev1.Container{}, err
	}
	args = append(args, "--log-level", level)
	if list != "" {
		args = append(args, "--component-log-level", list)
	}
	c := corev1.Container{
		Name: envoyContainer, Command: []string{"/usr/local/bin/envoy"}, Args: args, Env: environment(p.Env), Ports: r.listenerPorts(),
		VolumeMounts: r.mounts(p.ExtraVolumeMounts), Lifecycle: r.lifecycle(), SecurityContext: r.security(p.SecurityContext),
		ReadinessProbe: probe("/ready", readyPort),
	}
	r.contain(&c, &p.ContainerParameters, &r.Images.Envoy)
	if r.stats() {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: "http-monitoring", ContainerPort: statsPort, Protocol: corev1.ProtocolTCP})
	}
	if t := r.p.PodTemplate; t != nil {
		if t.ReadinessProbe != nil {
			c.ReadinessProbe = t.ReadinessProbe
		}
		c.LivenessProbe, c.StartupProbe = t.LivenessProbe, t.StartupProbe
	}
	return c, nil
}

// componentLevels is the levels of Envoy's components, sorted. Those that print requests with their credentials at debug stay at info.
func componentLevels(level string, components map[string]string) (string, error) {
	talkative := func(l string) bool { return l == "debug" || l == "trace" }
	for _, name := range envoy.Indiscreet() {
		if l, set := components[name]; talkative(l) || !set && talkative(level) {
			components[name] = "info"
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(components)) {
		if name == "" || components[name] == "" {
			return "", fmt.Errorf("envoyContainer.bootstrap.componentLogLevels: %q: %q: neither may be empty", name, components[name])
		}
		out = append(out, name+":"+components[name])
	}
	return strings.Join(out, ","), nil
}

// listenerPorts are the container's ports for clients.
func (r *render) listenerPorts() []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, p := range r.ports() {
		out = append(out, corev1.ContainerPort{Name: portName(p), ContainerPort: p, Protocol: corev1.ProtocolTCP})
	}
	return out
}

func portName(port int32) string { return "listener-" + strconv.Itoa(int(port)) }

func probe(path string, port int32) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}},
		PeriodSeconds: 5, FailureThreshold: 3}
}

// environment is where the pod is, then env. Of several variables of one name, as merged parameters may have them, the last counts.
func environment(env []corev1.EnvVar) []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	out := []corev1.EnvVar{field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")}
	for _, e := range env {
		out = slices.DeleteFunc(out, func(o corev1.EnvVar) bool { return o.Name == e.Name })
		out = append(out, e)
	}
	return out
}

// contain sets what all containers have.
func (r *render) contain(c *corev1.Container, p *v1alpha1.ContainerParameters, standard *Image) {
	c.Image, c.ImagePullPolicy = image(p.Image, standard)
	if p.Resources != nil {
		c.Resources = *p.Resources
	}
}

// originals are the images of kgateway's own containers. Manifests that name them mean the containers, which are ours.
var originals = []string{"envoy-wrapper", "kgateway-ai-extension"}

// image is what p names, with what it leaves out from standard.
func image(p *v1alpha1.Image, standard *Image) (string, corev1.PullPolicy) {
	i, digest := *standard, ""
	if p != nil {
		set := func(dst, src *string) {
			if src != nil && *src != "" {
				*dst = *src
			}
		}
		if repository := ""; p.PullPolicy != nil || p.Repository != nil || p.Registry != nil || p.Tag != nil || p.Digest != nil {
			set(&repository, p.Repository)
			if p.PullPolicy != nil {
				i.PullPolicy = *p.PullPolicy
			}
			if !slices.Contains(originals, repository[strings.LastIndexByte(repository, '/')+1:]) {
				set(&i.Registry, p.Registry)
				set(&i.Repository, p.Repository)
				set(&i.Tag, p.Tag)
				set(&digest, p.Digest)
			}
		}
	}
	name := i.Repository
	if i.Registry != "" {
		name = i.Registry + "/" + name
	}
	if i.Tag != "" {
		name += ":" + i.Tag
	}
	if digest != "" {
		name += "@" + digest
	}
	return name, i.PullPolicy
}
