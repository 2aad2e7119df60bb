package deployer

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/spanway/spanway/api/v1alpha1"
)

func (r *render) service() (*corev1.Service, error) {
	p := r.p.Service
	if p == nil {
		p = &v1alpha1.ServiceParameters{}
	}
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: r.meta(r.Gateway.Name, p.ExtraLabels, p.ExtraAnnotations),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: Selector(r.Gateway.Name)},
	}
	if p.Type != nil {
		s.Spec.Type = *p.Type
	}
	if p.ClusterIP != nil {
		s.Spec.ClusterIP = *p.ClusterIP
	}
	if p.ExternalTrafficPolicy != nil {
		s.Spec.ExternalTrafficPolicy = *p.ExternalTrafficPolicy
	}
	numbers := r.ports()
	for _, extra := range p.Ports {
		numbers = append(numbers, extra.Port)
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		port := corev1.ServicePort{Name: portName(n), Protocol: corev1.ProtocolTCP, Port: n, TargetPort: intstr.FromInt32(n)}
		for _, extra := range p.Ports {
			if extra.Port != n || extra.NodePort == nil {
				continue
			}
			if s.Spec.Type != corev1.ServiceTypeNodePort {
				return nil, fmt.Errorf("service.ports: port %d: a nodePort needs type NodePort, not %s", n, s.Spec.Type)
			}
			port.NodePort = *extra.NodePort
		}
		s.Spec.Ports = append(s.Spec.Ports, port)
	}
	return s, nil
}

func (r *render) account() *corev1.ServiceAccount {
	var labels, annotations map[string]string
	if p := r.p.ServiceAccount; p != nil {
		labels, annotations = p.ExtraLabels, p.ExtraAnnotations
	}
	return &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: r.meta(r.Gateway.Name, labels, annotations), AutomountServiceAccountToken: new(false),
	}
}

// useAimed is the mean use of the processor that an autoscaler aims at, percent.
const useAimed = 80

// autoscaler is nil unless the parameters ask for one.
func (r *render) autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	p := r.p.HorizontalPodAutoscaler
	if p == nil {
		return nil
	}
	use := p.TargetCPUUtilizationPercentage
	if use == nil {
		use = new(int32(useAimed))
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: r.meta(r.Gateway.Name, nil, nil),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: r.Gateway.Name},
			MinReplicas:    p.MinReplicas, MaxReplicas: p.MaxReplicas,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: use}}}},
		},
	}
}

// budget is nil unless the parameters ask for one.
func (r *render) budget() *policyv1.PodDisruptionBudget {
	p := r.p.PodDisruptionBudget
	if p == nil {
		return nil
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: r.meta(r.Gateway.Name, nil, nil),
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: p.MinAvailable, MaxUnavailable: p.MaxUnavailable,
			Selector: &metav1.LabelSelector{MatchLabels: Selector(r.Gateway.Name)}},
	}
}
