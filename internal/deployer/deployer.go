// Package deployer says what Kubernetes is to run for a Gateway: [Render] turns its parameters into a Deployment of Envoy with the
// processor beside it, a Service, a ServiceAccount, ConfigMaps, and an autoscaler and a disruption budget where they are asked
// for. It is a function of its arguments alone; who applies the objects owns them by the labels that Selector gives.
//
// Names, labels, ports and paths are those of kgateway, so that what already refers to them goes on working.
package deployer

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
)

// Object is one of Kubernetes'.
type Object interface {
	metav1.Object
	runtime.Object
}

// Input is what the objects follow from.
type Input struct {
	// Gateway is the one that is deployed; its ports are those of its listeners.
	Gateway *gwv1.Gateway
	// Parameters are merged from all that apply, the controller's defaults among them. Not nil.
	Parameters *v1alpha1.KubeParameters
	// Control is where the controller tells data planes their configuration.
	Control Control
	// Images are what containers run for which the parameters name nothing.
	Images Images
	// Version is that of the controller, for labels.
	Version string
}

// Control is the controller as data planes reach it.
type Control struct {
	Address string // HOST:PORT, such as spanway.spanway-system.svc:9977
	CA      string // PEM, of the authority that signed the controller's certificate for the host of Address
}

// Images are the images of containers. A registry, a tag or a policy that parameters leave out is taken from here.
type Images struct {
	Envoy, Processor Image
}

// Image is a container image.
type Image struct {
	Registry, Repository, Tag string
	PullPolicy                corev1.PullPolicy // "" = Kubernetes' own
}

// Names of what is rendered.
const (
	envoyContainer     = "kgateway-proxy"
	processorContainer = "kgateway-ai-extension"
	otelSuffix         = "-ai-otel-config"
)

// Render makes the objects, sorted by kind and name. Its errors name the parameter that is wrong.
func Render(in Input) ([]Object, error) {
	r := render{Input: in, p: in.Parameters, processor: enabled(in.Parameters)}
	if len(in.Gateway.Name) > maxName {
		return nil, fmt.Errorf("the name %q has more than %d characters, which is what Kubernetes takes for a Service and a label: rename the Gateway", in.Gateway.Name, maxName)
	}
	config, err := r.config()
	if err != nil {
		return nil, err
	}
	deployment, err := r.deployment(config)
	if err != nil {
		return nil, err
	}
	service, err := r.service()
	if err != nil {
		return nil, err
	}
	out := []Object{config}
	if otel, err := r.otel(); err != nil {
		return nil, err
	} else if otel != nil {
		out = append(out, otel)
	}
	out = append(out, deployment)
	if h := r.autoscaler(); h != nil {
		out = append(out, h)
	}
	if b := r.budget(); b != nil {
		out = append(out, b)
	}
	return append(out, service, r.account()), nil
}

// maxName is the longest name of a Service and value of a label (RFC 1123, section 2.1, as Kubernetes applies it).
const maxName = 63

// The label that tells objects of ours from others, and its value.
const (
	managedBy = "app.kubernetes.io/managed-by"
	Manager   = "spanway"
)

// Selector is the labels by which all objects of the Gateway called name are found, its pods among them.
func Selector(name string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":                 name,
		"app.kubernetes.io/instance":             name,
		"gateway.networking.k8s.io/gateway-name": name,
	}
}

// render is one Render.
type render struct {
	Input

	p         *v1alpha1.KubeParameters
	processor bool // the processor's container is there
}

// enabled reports whether p has the processor.
func enabled(p *v1alpha1.KubeParameters) bool {
	return p.AIExtension != nil && p.AIExtension.Enabled != nil && *p.AIExtension.Enabled
}

// meta is the metadata of an object called name: what all have, what the Gateway's infrastructure asks for, and more.
func (r *render) meta(name string, labels, annotations map[string]string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: r.Gateway.Namespace, Name: name, Labels: r.labels(), Annotations: map[string]string{}}
	if i := r.Gateway.Spec.Infrastructure; i != nil {
		for k, v := range i.Labels {
			m.Labels[string(k)] = string(v)
		}
		for k, v := range i.Annotations {
			m.Annotations[string(k)] = string(v)
		}
	}
	join(m.Labels, labels)
	join(m.Annotations, annotations)
	join(m.Labels, Selector(r.Gateway.Name)) // nothing else may stand there: selectors do not change
	m.Labels[managedBy] = Manager
	if len(m.Annotations) == 0 {
		m.Annotations = nil
	}
	return m
}

func (r *render) labels() map[string]string {
	return map[string]string{
		"kgateway":                  "kube-gateway",
		"app.kubernetes.io/version": label(r.Version),
		"gateway.networking.k8s.io/gateway-class-name": label(string(r.Gateway.Spec.GatewayClassName)),
	}
}

// label is s as the value of a label.
func label(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, s)
	return strings.Trim(s[:min(len(s), maxName)], "-_.")
}

func join(dst, src map[string]string) {
	for k, v := range src {
		dst[k] = v
	}
}

// ports are those of the listeners that are served, each once, ascending.
func (r *render) ports() []int32 {
	var out []int32
	for _, l := range r.Gateway.Spec.Listeners {
		if l.Protocol == gwv1.HTTPProtocolType || l.Protocol == gwv1.HTTPSProtocolType {
			out = append(out, l.Port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
