//go:build linux

package node

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// variables are an environment in order.
type variables struct {
	names  []string
	values map[string]string
}

func (v *variables) set(name, value string) {
	if _, ok := v.values[name]; !ok {
		v.names = append(v.names, name)
	}
	v.values[name] = value
}

func (v *variables) list() []string {
	var out []string
	for _, n := range v.names {
		out = append(out, n+"="+v.values[n])
	}
	return out
}

// expand replaces $(NAME) by the variable, if there is one; $$ is a dollar (Kubernetes' documentation, Define dependent environment
// variables).
func (v *variables) expand(s string) string {
	var b strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			break
		}
		name, rest, closed := strings.Cut(strings.TrimPrefix(after, "("), ")")
		value, known := v.values[name]
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteString("$")
			s = after[1:]
		case strings.HasPrefix(after, "(") && closed && known:
			b.WriteString(value)
			s = rest
		default:
			b.WriteString("$")
			s = after
		}
	}
	return b.String()
}

// environment is the container's.
func (c *container) environment() (*variables, error) {
	o := c.pod.now()
	v := &variables{values: map[string]string{}}
	v.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	v.set("HOSTNAME", o.Name)
	v.set("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	v.set("KUBERNETES_SERVICE_PORT", "443")
	for _, from := range c.spec.EnvFrom {
		data, err := c.envFrom(&from)
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			v.set(from.Prefix+name, value)
		}
	}
	for i := range c.spec.Env {
		e := &c.spec.Env[i]
		value, ok := v.expand(e.Value), true
		if e.ValueFrom != nil {
			var err error
			if value, ok, err = c.valueFrom(e.ValueFrom); err != nil {
				return nil, fmt.Errorf("variable %s: %w", e.Name, err)
			}
		}
		if ok {
			v.set(e.Name, value)
		}
	}
	return v, nil
}

func (c *container) envFrom(from *corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		return c.pod.data("ConfigMap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		return c.pod.data("Secret", from.SecretRef.Name, from.SecretRef.Optional)
	}
	return nil, nil
}

func (c *container) valueFrom(from *corev1.EnvVarSource) (value string, ok bool, err error) {
	key := func(kind, name, key string, optional *bool) (string, bool, error) {
		data, err := c.pod.data(kind, name, optional)
		if err != nil {
			return "", false, err
		}
		value, ok := data[key]
		if !ok && !ptr.Deref(optional, false) {
			return "", false, fmt.Errorf("%s %s has no key %s", kind, name, key)
		}
		return value, ok, nil
	}
	switch {
	case from.FieldRef != nil:
		value, err = c.pod.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		r := from.ConfigMapKeyRef
		return key("ConfigMap", r.Name, r.Key, r.Optional)
	case from.SecretKeyRef != nil:
		r := from.SecretKeyRef
		return key("Secret", r.Name, r.Key, r.Optional)
	case from.ResourceFieldRef != nil:
		return c.resource(from.ResourceFieldRef), true, nil
	}
	return "", false, fmt.Errorf("no such source")
}

// resource is a limit or request of the container, or that of a node with four cores and 8 GiB.
func (c *container) resource(r *corev1.ResourceFieldSelector) string {
	_, what, _ := strings.Cut(r.Resource, ".")
	list, q := c.spec.Resources.Limits, resource.MustParse("4")
	if strings.HasPrefix(r.Resource, "requests.") {
		list = c.spec.Resources.Requests
	}
	if what == "memory" {
		q = resource.MustParse("8Gi")
	}
	if own, ok := list[corev1.ResourceName(what)]; ok {
		q = own
	}
	divisor := r.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	return fmt.Sprint((q.MilliValue() + divisor.MilliValue() - 1) / divisor.MilliValue())
}

// field is a field of the pod, as the downward API has them.
func (p *pod) field(path string) (string, error) {
	o := p.now()
	if name, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
		return o.Labels[strings.TrimSuffix(name, "']")], nil
	}
	if name, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
		return o.Annotations[strings.TrimSuffix(name, "']")], nil
	}
	switch path {
	case "metadata.name":
		return o.Name, nil
	case "metadata.namespace":
		return o.Namespace, nil
	case "metadata.uid":
		return string(o.UID), nil
	case "spec.nodeName":
		return nodeName, nil
	case "spec.serviceAccountName":
		return o.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return p.ip, nil
	case "status.hostIP", "status.hostIPs":
		return hostIP, nil
	}
	return "", fmt.Errorf("no field %s", path)
}

// data is what a ConfigMap or Secret of the pod's namespace holds.
func (p *pod) data(kind, name string, optional *bool) (map[string]string, error) {
	key := client.ObjectKey{Namespace: p.now().Namespace, Name: name}
	out := map[string]string{}
	var err error
	if kind == "Secret" {
		var s corev1.Secret
		err = p.node.cache.Get(p.ctx, key, &s)
		for k, v := range s.Data {
			out[k] = string(v)
		}
	} else {
		var m corev1.ConfigMap
		err = p.node.cache.Get(p.ctx, key, &m)
		for k, v := range m.Data {
			out[k] = v
		}
		for k, v := range m.BinaryData {
			out[k] = string(v)
		}
	}
	if apierrors.IsNotFound(err) && ptr.Deref(optional, false) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return out, nil
}
