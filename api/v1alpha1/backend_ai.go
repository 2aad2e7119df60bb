package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// AIBackend is one LLM provider, or several among which priorities and load choose.
//
// +kubebuilder:validation:ExactlyOneOf=llm;multipool;priorityGroups
type AIBackend struct {
	// LLM is one provider.
	// +optional
	LLM *LLMProvider `json:"llm,omitempty"`

	// MultiPool is several providers, in the shape of releases before 2.1.
	// +optional
	MultiPool *MultiPool `json:"multipool,omitempty"`

	// PriorityGroups is several providers, in the shape of releases from 2.1 on: the first group is used as long as it has a
	// member that works, and the members of a group share the load.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	PriorityGroups []PriorityGroup `json:"priorityGroups,omitempty"`
}

// MultiPool is several providers with priorities (releases before 2.1).
type MultiPool struct {
	// Priorities are the pools, the preferred one first.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Priorities []Priority `json:"priorities"`
}

// Priority is a pool of providers that share the load.
type Priority struct {
	// Pool has the providers.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Pool []LLMProvider `json:"pool"`
}

// PriorityGroup is a group of providers that share the load (releases from 2.1 on).
type PriorityGroup struct {
	// Providers are the members, each with a name of its own.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Providers []NamedLLMProvider `json:"providers"`
}

// NamedLLMProvider is a member of a group of providers.
type NamedLLMProvider struct {
	// Name of the member, within its group: letters, digits, hyphens and dots, as in "openai-gpt-4.0-turbo".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	LLMProvider `json:",inline"`
}

// LLMProvider is one provider, and what differs from its usual address, path and credential header.
//
// The provider is a field here (releases from 2.1 on) or of "provider" (before). What differs has two names as well, of which
// an object sets one.
//
// +kubebuilder:validation:ExactlyOneOf=provider;openai;azureopenai;anthropic;gemini;vertexai;bedrock
// +kubebuilder:validation:XValidation:rule="!has(self.hostOverride) || !has(self.host) && !has(self.port)",message="hostOverride and host set the same: set one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.pathOverride) || !has(self.path)",message="pathOverride and path set the same: set one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.authHeaderOverride) || !has(self.authHeader)",message="authHeaderOverride and authHeader set the same: set one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.port) || has(self.host)",message="host must be set when port is set",fieldPath=".host",reason=FieldValueRequired
type LLMProvider struct {
	// Provider is the provider (releases before 2.1).
	// +optional
	Provider *Provider `json:"provider,omitempty"`

	ProviderConfig `json:",inline"`

	// Host stands for the provider's own host: a DNS name or an IP address (releases from 2.1 on).
	// +optional
	// +kubebuilder:validation:MinLength=1
	Host *string `json:"host,omitempty"`

	// Port goes with host; 443 if absent. Port 443 is spoken to with TLS, any other without.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// HostOverride stands for the provider's own address (releases before 2.1).
	// +optional
	HostOverride *HostOverride `json:"hostOverride,omitempty"`

	// Path stands for the provider's own path (releases from 2.1 on).
	// +optional
	Path *Path `json:"path,omitempty"`

	// PathOverride stands for the provider's own path (releases before 2.1).
	// +optional
	PathOverride *PathOverride `json:"pathOverride,omitempty"`

	// AuthHeader tells which header carries the credential, and how (releases from 2.1 on).
	// +optional
	AuthHeader *AuthHeader `json:"authHeader,omitempty"`

	// AuthHeaderOverride tells which header carries the credential, and how (releases before 2.1).
	// +optional
	AuthHeaderOverride *AuthHeaderOverride `json:"authHeaderOverride,omitempty"`

	// Routes tells, by the end of a request's path, which API a client speaks (builds after 2.1, for another data plane). It is
	// read and reported, not used: what a client speaks shows in its requests.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Routes map[string]LLMRouteType `json:"routes,omitempty"`
}

// LLMRouteType is an API that clients of a provider speak.
//
// +kubebuilder:validation:Enum=completions;messages;models;passthrough;responses;anthropic_token_count
type LLMRouteType string

// HostOverride is an address that stands for a provider's own.
type HostOverride struct {
	Host `json:",inline"`

	// InsecureSkipVerify accepts any certificate on port 443. Without it the certificate is verified with the system's roots.
	// +optional
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`
}

// Path is a path that stands for a provider's own.
type Path struct {
	// Full is the whole path, with a query if need be.
	// +required
	// +kubebuilder:validation:MinLength=1
	Full string `json:"full"`
}

// PathOverride is a path that stands for a provider's own.
//
// +kubebuilder:validation:ExactlyOneOf=fullPath;full
type PathOverride struct {
	// FullPath is the whole path, with a query if need be.
	// +optional
	FullPath *string `json:"fullPath,omitempty"`

	// Full is FullPath under the name that release notes gave it.
	// +optional
	Full *string `json:"full,omitempty"`
}

// AuthHeader is the header that carries a credential.
//
// +kubebuilder:validation:AtLeastOneOf=prefix;headerName
type AuthHeader struct {
	// Prefix stands before the token, without a space between them; it may be empty.
	// +optional
	Prefix *string `json:"prefix,omitempty"`

	// HeaderName is the header's name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	HeaderName *string `json:"headerName,omitempty"`
}

// AuthHeaderOverride is the header that carries a credential.
type AuthHeaderOverride struct {
	// Prefix stands before the token, without a space between them.
	// +optional
	Prefix *string `json:"prefix,omitempty"`

	// HeaderName is the header's name.
	// +optional
	HeaderName *string `json:"headerName,omitempty"`
}

// Provider is exactly one LLM provider.
//
// +kubebuilder:validation:ExactlyOneOf=openai;azureopenai;anthropic;gemini;vertexai;bedrock
type Provider struct {
	ProviderConfig `json:",inline"`
}

// ProviderConfig has a field for each LLM provider, of which one is set.
type ProviderConfig struct {
	// OpenAI is OpenAI, or a server that speaks its format.
	// +optional
	OpenAI *OpenAI `json:"openai,omitempty"`

	// AzureOpenAI is a deployment of Azure OpenAI.
	// +optional
	AzureOpenAI *AzureOpenAI `json:"azureopenai,omitempty"`

	// Anthropic is Anthropic.
	// +optional
	Anthropic *Anthropic `json:"anthropic,omitempty"`

	// Gemini is Google's Gemini API.
	// +optional
	Gemini *Gemini `json:"gemini,omitempty"`

	// VertexAI is Google's Vertex AI.
	// +optional
	VertexAI *VertexAI `json:"vertexai,omitempty"`

	// Bedrock is AWS' Bedrock.
	// +optional
	Bedrock *Bedrock `json:"bedrock,omitempty"`
}

// AuthTokenKind tells where a provider's token comes from.
//
// +kubebuilder:validation:Enum=Inline;SecretRef;Passthrough
type AuthTokenKind string

// The sources of a token.
const (
	// AuthTokenInline is a token in the object itself, for trials.
	AuthTokenInline AuthTokenKind = "Inline"
	// AuthTokenSecretRef is a token in a Secret.
	AuthTokenSecretRef AuthTokenKind = "SecretRef"
	// AuthTokenPassthrough is the token that the client sent in its Authorization header.
	AuthTokenPassthrough AuthTokenKind = "Passthrough"
)

// AuthToken is a provider's token. It goes where the provider expects it.
//
// +kubebuilder:validation:AtMostOneOf=inline;secretRef
type AuthToken struct {
	// Kind is where the token comes from.
	// +required
	Kind AuthTokenKind `json:"kind"`

	// Inline is the token. Whoever may read the object reads it.
	// +optional
	Inline *string `json:"inline,omitempty"`

	// SecretRef is a Secret of the Backend's namespace with the key Authorization. "Bearer " before the token is left out.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
}

// OpenAI is OpenAI, or a server that speaks its format.
type OpenAI struct {
	// AuthToken goes into the Authorization header, after "Bearer ".
	// +required
	AuthToken AuthToken `json:"authToken"`

	// Model stands for the one that the client asks for.
	// +optional
	Model *string `json:"model,omitempty"`
}

// AzureOpenAI is a deployment of Azure OpenAI. The deployment determines the model.
type AzureOpenAI struct {
	// AuthToken goes into the api-key header.
	// +required
	AuthToken AuthToken `json:"authToken"`

	// Endpoint is the resource's host, such as "name.openai.azure.com". A scheme before it is left out.
	// +required
	// +kubebuilder:validation:MinLength=1
	Endpoint string `json:"endpoint"`

	// DeploymentName is the deployment's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	DeploymentName string `json:"deploymentName"`

	// APIVersion is the query parameter api-version, such as "2024-10-21".
	// +required
	// +kubebuilder:validation:MinLength=1
	APIVersion string `json:"apiVersion"`
}

// Anthropic is Anthropic.
type Anthropic struct {
	// AuthToken goes into the x-api-key header.
	// +required
	AuthToken AuthToken `json:"authToken"`

	// APIVersion is the header anthropic-version; the client's own, or the gateway's default, if absent.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Model stands for the one that the client asks for.
	// +optional
	Model *string `json:"model,omitempty"`
}

// Gemini is Google's Gemini API.
type Gemini struct {
	// AuthToken goes into the header and the query parameter that the API takes.
	// +required
	AuthToken AuthToken `json:"authToken"`

	// Model is part of the path.
	// +required
	Model string `json:"model"`

	// APIVersion is part of the path, such as "v1beta".
	// +required
	APIVersion string `json:"apiVersion"`
}

// VertexAI is Google's Vertex AI.
type VertexAI struct {
	// AuthToken goes into the Authorization header, after "Bearer ".
	// +required
	AuthToken AuthToken `json:"authToken"`

	// Model is part of the path.
	// +required
	// +kubebuilder:validation:MinLength=1
	Model string `json:"model"`

	// APIVersion is part of the path, such as "v1".
	// +required
	// +kubebuilder:validation:MinLength=1
	APIVersion string `json:"apiVersion"`

	// ProjectID is the Google Cloud project.
	// +required
	// +kubebuilder:validation:MinLength=1
	ProjectID string `json:"projectId"`

	// Location is the region, such as "us-central1".
	// +required
	// +kubebuilder:validation:MinLength=1
	Location string `json:"location"`

	// Publisher of the model.
	// +required
	// +kubebuilder:validation:Enum=GOOGLE
	Publisher string `json:"publisher"`

	// ModelPath stands for the verb at the path's end, generateContent.
	// +optional
	ModelPath *string `json:"modelPath,omitempty"`
}

// Bedrock is AWS' Bedrock.
type Bedrock struct {
	// Model is the model's id, or the ARN of an inference profile; the client's if absent.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Model *string `json:"model,omitempty"`

	// Region of the service.
	// +optional
	// +kubebuilder:default=us-east-1
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern="^[a-z0-9-]+$"
	Region string `json:"region,omitempty"`

	// Auth has the credentials; without it they come from where AWS' own tools find them.
	// +optional
	Auth *AWSAuth `json:"auth,omitempty"`

	// Guardrail is a guardrail of Bedrock's own.
	// +optional
	Guardrail *BedrockGuardrail `json:"guardrail,omitempty"`
}

// BedrockGuardrail is a guardrail of Bedrock's own.
type BedrockGuardrail struct {
	// Identifier of the guardrail.
	// +required
	// +kubebuilder:validation:MinLength=1
	Identifier string `json:"identifier"`

	// Version of the guardrail.
	// +required
	// +kubebuilder:validation:MinLength=1
	Version string `json:"version"`
}
