{{- define "spanway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "spanway.serviceAccount" -}}
{{- default (include "spanway.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "spanway.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "spanway.labels" -}}
{{ include "spanway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The processor is the controller's image: both are one program. */}}
{{- define "spanway.image" -}}
{{- $i := .Values.controller.image -}}
{{- $registry := default .Values.image.registry $i.registry -}}
{{- $tag := default (default .Chart.AppVersion .Values.image.tag) $i.tag -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $i.repository }}:{{ $tag }}
{{- end -}}

{{- define "spanway.envoyImage" -}}
{{- $i := .Values.gateway.envoyContainer.image -}}
{{- if $i.registry }}{{ $i.registry }}/{{ end }}{{ $i.repository }}:{{ $i.tag }}
{{- end -}}

{{/* What all Gateways have: GatewayParameters' spec.kube. */}}
{{- define "spanway.gatewayDefaults" -}}
{{- $ai := .Values.gateway.aiExtension -}}
{{- $tracing := dict -}}
{{- if $ai.tracing.endpoint -}}
{{- $_ := set $tracing "endpoint" $ai.tracing.endpoint -}}
{{- if $ai.tracing.protocol }}{{ $_ := set $tracing "protocol" $ai.tracing.protocol }}{{ end -}}
{{- if $ai.tracing.timeout }}{{ $_ := set $tracing "timeout" $ai.tracing.timeout }}{{ end -}}
{{- if $ai.tracing.sampler.type -}}
{{- $sampler := dict "type" $ai.tracing.sampler.type -}}
{{- if $ai.tracing.sampler.arg }}{{ $_ := set $sampler "arg" (toString $ai.tracing.sampler.arg) }}{{ end -}}
{{- $_ := set $tracing "sampler" $sampler -}}
{{- end -}}
{{- else if or $ai.tracing.protocol $ai.tracing.timeout $ai.tracing.sampler.type $ai.tracing.sampler.arg -}}
{{- fail "gateway.aiExtension.tracing: without an endpoint nothing is exported: set gateway.aiExtension.tracing.endpoint" -}}
{{- end -}}
{{- $extension := dict "enabled" $ai.enabled -}}
{{- if $tracing }}{{ $_ := set $extension "tracing" $tracing }}{{ end -}}
{{- toYaml (mergeOverwrite (dict "aiExtension" $extension) (deepCopy .Values.gateway.parameters)) -}}
{{- end -}}
