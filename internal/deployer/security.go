package deployer

import (
	corev1 "k8s.io/api/core/v1"
)

// privileged is the first port that every user may listen on.
const privileged = 1024

// security is own, or that of all containers: no root, no capability, nothing to write to, no way to more.
func (r *render) security(own *corev1.SecurityContext) *corev1.SecurityContext {
	if own != nil {
		c := own.DeepCopy()
		if is(r.p.FloatingUserID) {
			c.RunAsUser = nil
		}
		return c
	}
	if is(r.p.OmitDefaultSecurityContext) {
		return nil
	}
	c := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), RunAsNonRoot: new(true), RunAsUser: new(int64(user)),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if is(r.p.FloatingUserID) {
		c.RunAsUser = nil
	}
	return c
}

// podSecurity is the parameters', with a leave to listen on low ports where a listener has one.
func (r *render) podSecurity() *corev1.PodSecurityContext {
	var c *corev1.PodSecurityContext
	if t := r.p.PodTemplate; t != nil && t.SecurityContext != nil {
		c = t.SecurityContext.DeepCopy()
		if is(r.p.FloatingUserID) {
			c.RunAsUser = nil
		}
	}
	if ports := r.ports(); len(ports) == 0 || ports[0] >= privileged {
		return c
	}
	if c == nil {
		c = &corev1.PodSecurityContext{}
	}
	const allow = "net.ipv4.ip_unprivileged_port_start"
	for _, s := range c.Sysctls {
		if s.Name == allow {
			return c
		}
	}
	c.Sysctls = append(c.Sysctls, corev1.Sysctl{Name: allow, Value: "0"})
	return c
}
