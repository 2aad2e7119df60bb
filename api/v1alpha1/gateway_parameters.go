package v1alpha1

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// GatewayParameters says how the pods of a Gateway are deployed. A GatewayClass refers to one for all its Gateways, a Gateway
// to one of its own; the Gateway's is merged over the class', field by field: what it leaves out is taken over from there.
// That is why no field has a default in the schema.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=gatewayparameters,categories={kgateway,spanway},shortName=gwp
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
type GatewayParameters struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +required
	Spec GatewayParametersSpec `json:"spec"`

	// Status has no fields.
	// +optional
	Status GatewayParametersStatus `json:"status,omitempty"`
}

// GatewayParametersList is a list of GatewayParameters.
//
// +kubebuilder:object:root=true
type GatewayParametersList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GatewayParameters `json:"items"`
}

// GatewayParametersStatus has no fields.
type GatewayParametersStatus struct{}

// GatewayParametersSpec deploys the gateway's pods, or leaves that to somebody else.
//
// +kubebuilder:validation:ExactlyOneOf=kube;selfManaged
type GatewayParametersSpec struct {
	// Kube deploys the gateway as a Deployment with its Service.
	// +optional
	Kube *KubeParameters `json:"kube,omitempty"`

	// SelfManaged deploys nothing.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	SelfManaged *SelfManaged `json:"selfManaged,omitempty"`
}

// SelfManaged has no fields: being there is what counts.
type SelfManaged struct{}

// KubeParameters is the Deployment, the Service and what belongs to them.
//
// +kubebuilder:validation:AtMostOneOf=agentGateway;agentgateway
type KubeParameters struct {
	// Deployment has the number of pods, and how they are replaced.
	// +optional
	Deployment *DeploymentParameters `json:"deployment,omitempty"`

	// EnvoyContainer is the container with Envoy.
	// +optional
	EnvoyContainer *EnvoyContainer `json:"envoyContainer,omitempty"`

	// SDSContainer is the container that hands certificates to Envoy, with Istio.
	// +optional
	SDSContainer *SDSContainer `json:"sdsContainer,omitempty"`

	// Istio is the container with Istio's proxy.
	// +optional
	Istio *IstioParameters `json:"istio,omitempty"`

	// PodTemplate is what all containers have in common.
	// +optional
	PodTemplate *PodTemplate `json:"podTemplate,omitempty"`

	// Service is the Service.
	// +optional
	Service *ServiceParameters `json:"service,omitempty"`

	// ServiceAccount is the pods' ServiceAccount.
	// +optional
	ServiceAccount *ServiceAccountParameters `json:"serviceAccount,omitempty"`

	// Stats is how Envoy's metrics are served.
	// +optional
	Stats *StatsParameters `json:"stats,omitempty"`

	// AIExtension is the container that handles requests for LLM providers.
	// +optional
	AIExtension *AIExtension `json:"aiExtension,omitempty"`

	// AgentGateway is another data plane's container, under the name of releases before 2.1.
	// +optional
	AgentGateway *AgentGateway `json:"agentGateway,omitempty"`

	// Agentgateway is another data plane's container, under the name of release 2.1.
	// +optional
	Agentgateway *AgentGateway `json:"agentgateway,omitempty"`

	// HorizontalPodAutoscaler adjusts the number of pods, in place of deployment.replicas; none if absent. Only Spanway has it.
	// +optional
	HorizontalPodAutoscaler *Autoscaler `json:"horizontalPodAutoscaler,omitempty"`

	// PodDisruptionBudget bounds how many pods may be away at a time for upkeep of nodes; none if absent. Only Spanway has it.
	// +optional
	PodDisruptionBudget *DisruptionBudget `json:"podDisruptionBudget,omitempty"`

	// FloatingUserID leaves runAsUser out of all security contexts, as OpenShift wants it.
	// +optional
	FloatingUserID *bool `json:"floatingUserId,omitempty"`

	// OmitDefaultSecurityContext leaves out all security contexts that are not set here (releases from 2.1 on).
	// +optional
	OmitDefaultSecurityContext *bool `json:"omitDefaultSecurityContext,omitempty"`
}

// DeploymentParameters has the number of pods, and how they are replaced.
//
// +kubebuilder:validation:AtMostOneOf=replicas;omitReplicas
type DeploymentParameters struct {
	// Replicas is the number of pods; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// OmitReplicas leaves the number to an autoscaler.
	// +optional
	OmitReplicas *bool `json:"omitReplicas,omitempty"`

	// Strategy is how pods are replaced (releases from 2.1 on).
	// +optional
	Strategy *appsv1.DeploymentStrategy `json:"strategy,omitempty"`
}

// Autoscaler adjusts the number of pods to their use of the processor.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas must not be greater than maxReplicas"
type Autoscaler struct {
	// MinReplicas is the least number of pods; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// MaxReplicas is the greatest number of pods.
	// +required
	// +kubebuilder:validation:Minimum=1
	MaxReplicas int32 `json:"maxReplicas"`

	// TargetCPUUtilizationPercentage is the mean use that is aimed at, in percent of what the containers request; 80 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	TargetCPUUtilizationPercentage *int32 `json:"targetCPUUtilizationPercentage,omitempty"`
}

// DisruptionBudget bounds how many pods may be away at a time, as a number or in percent.
//
// +kubebuilder:validation:ExactlyOneOf=minAvailable;maxUnavailable
type DisruptionBudget struct {
	// MinAvailable is how many pods are there at least.
	// +optional
	// +kubebuilder:validation:XIntOrString
	MinAvailable *intstr.IntOrString `json:"minAvailable,omitempty"`

	// MaxUnavailable is how many pods are away at most.
	// +optional
	// +kubebuilder:validation:XIntOrString
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// Image is a container image. What is left out is as for the controller's own image.
type Image struct {
	// Registry, such as "ghcr.io/spanway".
	// +optional
	Registry *string `json:"registry,omitempty"`

	// Repository within the registry.
	// +optional
	Repository *string `json:"repository,omitempty"`

	// Tag of the image.
	// +optional
	Tag *string `json:"tag,omitempty"`

	// Digest of the image, such as "sha256:…".
	// +optional
	Digest *string `json:"digest,omitempty"`

	// PullPolicy tells when the image is pulled.
	// +optional
	// +kubebuilder:validation:Enum=Always;Never;IfNotPresent
	PullPolicy *corev1.PullPolicy `json:"pullPolicy,omitempty"`
}

// ContainerParameters is what the settings of all containers have in common.
type ContainerParameters struct {
	// Image of the container.
	// +optional
	Image *Image `json:"image,omitempty"`

	// SecurityContext of the container.
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`

	// Resources of the container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// EnvoyContainer is the container with Envoy.
type EnvoyContainer struct {
	ContainerParameters `json:",inline"`

	// Bootstrap is how Envoy starts.
	// +optional
	Bootstrap *EnvoyBootstrap `json:"bootstrap,omitempty"`

	// Env has more variables.
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// ExtraVolumeMounts has more mounts, of the pod's extraVolumes (releases from 2.1 on).
	// +optional
	ExtraVolumeMounts []corev1.VolumeMount `json:"extraVolumeMounts,omitempty"`
}

// EnvoyBootstrap is how Envoy starts.
type EnvoyBootstrap struct {
	// LogLevel is trace, debug, info, warn, error, critical or off; info if absent.
	// +optional
	LogLevel *string `json:"logLevel,omitempty"`

	// ComponentLogLevels has levels for parts of Envoy, such as {"upstream": "debug"}.
	// +optional
	ComponentLogLevels map[string]string `json:"componentLogLevels,omitempty"`
}

// SDSContainer is the container that hands certificates to Envoy.
type SDSContainer struct {
	ContainerParameters `json:",inline"`

	// Bootstrap is how it starts.
	// +optional
	Bootstrap *SDSBootstrap `json:"bootstrap,omitempty"`
}

// SDSBootstrap is how the container that hands certificates to Envoy starts.
type SDSBootstrap struct {
	// LogLevel is debug, info, warn, error, panic or fatal; info if absent.
	// +optional
	LogLevel *string `json:"logLevel,omitempty"`
}

// IstioParameters is the container with Istio's proxy, and others.
type IstioParameters struct {
	// IstioProxyContainer is the container with Istio's proxy.
	// +optional
	IstioProxyContainer *IstioContainer `json:"istioProxyContainer,omitempty"`

	// CustomSidecars are whole containers beside it.
	// +optional
	CustomSidecars []corev1.Container `json:"customSidecars,omitempty"`
}

// IstioContainer is the container with Istio's proxy.
type IstioContainer struct {
	ContainerParameters `json:",inline"`

	// LogLevel is debug, info, warning or error; warning if absent.
	// +optional
	LogLevel *string `json:"logLevel,omitempty"`

	// IstioDiscoveryAddress is istiod's address; istiod.istio-system.svc:15012 if absent.
	// +optional
	IstioDiscoveryAddress *string `json:"istioDiscoveryAddress,omitempty"`

	// IstioMetaMeshID is the mesh; cluster.local if absent.
	// +optional
	IstioMetaMeshID *string `json:"istioMetaMeshId,omitempty"`

	// IstioMetaClusterID is the cluster; Kubernetes if absent.
	// +optional
	IstioMetaClusterID *string `json:"istioMetaClusterId,omitempty"`
}

// PodTemplate is what all containers of a pod have in common.
type PodTemplate struct {
	// ExtraLabels are more labels.
	// +optional
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`

	// ExtraAnnotations are more annotations.
	// +optional
	ExtraAnnotations map[string]string `json:"extraAnnotations,omitempty"`

	// SecurityContext of the pod.
	// +optional
	SecurityContext *corev1.PodSecurityContext `json:"securityContext,omitempty"`

	// ImagePullSecrets are Secrets of the Gateway's namespace for pulling images.
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// NodeSelector has labels of the nodes that a pod may run on.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Affinity has preferences among nodes.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// Tolerations let a pod run on nodes with taints.
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// TopologySpreadConstraints spread pods over nodes and zones.
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// GracefulShutdown waits for calls before a pod ends.
	// +optional
	GracefulShutdown *GracefulShutdown `json:"gracefulShutdown,omitempty"`

	// TerminationGracePeriodSeconds is the longest time that a pod may take to end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`

	// ReadinessProbe of the container with Envoy.
	// +optional
	ReadinessProbe *corev1.Probe `json:"readinessProbe,omitempty"`

	// LivenessProbe of the container with Envoy.
	// +optional
	LivenessProbe *corev1.Probe `json:"livenessProbe,omitempty"`

	// StartupProbe of the container with Envoy (releases from 2.1 on).
	// +optional
	StartupProbe *corev1.Probe `json:"startupProbe,omitempty"`

	// ExtraVolumes are more volumes (releases from 2.1 on).
	// +optional
	ExtraVolumes []corev1.Volume `json:"extraVolumes,omitempty"`
}

// GracefulShutdown waits for calls before a pod ends.
type GracefulShutdown struct {
	// Enabled fails health checks first, and waits.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// SleepTimeSeconds is how long; 10 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SleepTimeSeconds *int64 `json:"sleepTimeSeconds,omitempty"`
}

// ServiceParameters is the Service of a gateway.
type ServiceParameters struct {
	// Type of the Service; LoadBalancer if absent.
	// +optional
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer;ExternalName
	Type *corev1.ServiceType `json:"type,omitempty"`

	// ClusterIP is a fixed address of the Service.
	// +optional
	ClusterIP *string `json:"clusterIP,omitempty"`

	// ExternalTrafficPolicy keeps traffic on the node where it arrives (Local) or spreads it (Cluster).
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy *corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`

	// ExtraLabels are more labels.
	// +optional
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`

	// ExtraAnnotations are more annotations.
	// +optional
	ExtraAnnotations map[string]string `json:"extraAnnotations,omitempty"`

	// Ports have the node ports of listeners' ports, and add ports that no listener has.
	// +optional
	Ports []ServicePort `json:"ports,omitempty"`
}

// ServicePort is a port of a gateway's Service.
type ServicePort struct {
	// Port of the Service, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// NodePort is the port on every node, with type NodePort; Kubernetes chooses if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`
}

// ServiceAccountParameters is the ServiceAccount of a gateway's pods.
type ServiceAccountParameters struct {
	// ExtraLabels are more labels.
	// +optional
	ExtraLabels map[string]string `json:"extraLabels,omitempty"`

	// ExtraAnnotations are more annotations.
	// +optional
	ExtraAnnotations map[string]string `json:"extraAnnotations,omitempty"`
}

// StatsParameters is how Envoy's metrics are served.
type StatsParameters struct {
	// Enabled serves them; true if absent.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// RoutePrefixRewrite is the path of Envoy's own that /metrics stands for; /stats/prometheus?usedonly if absent.
	// +optional
	RoutePrefixRewrite *string `json:"routePrefixRewrite,omitempty"`

	// EnableStatsRoute serves /stats too; true if absent.
	// +optional
	EnableStatsRoute *bool `json:"enableStatsRoute,omitempty"`

	// StatsRoutePrefixRewrite is the path of Envoy's own that /stats stands for; /stats if absent.
	// +optional
	StatsRoutePrefixRewrite *string `json:"statsRoutePrefixRewrite,omitempty"`
}

// AgentGateway is another data plane's container. Its settings are read and reported, not used.
type AgentGateway struct {
	ContainerParameters `json:",inline"`

	// Enabled deploys that data plane.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// LogLevel is trace, debug, info, warn or error; info if absent.
	// +optional
	LogLevel *string `json:"logLevel,omitempty"`

	// Env has more variables.
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// CustomConfigMapName is a ConfigMap with the whole configuration.
	// +optional
	CustomConfigMapName *string `json:"customConfigMapName,omitempty"`

	// ExtraVolumeMounts has more mounts, of the pod's extraVolumes (releases from 2.1 on).
	// +optional
	ExtraVolumeMounts []corev1.VolumeMount `json:"extraVolumeMounts,omitempty"`
}
