{{/* Names, labels and values that several objects share. */}}
{{- define "podmotion.namespace" -}}
{{ .Values.namespace | default .Release.Namespace }}
{{- end }}

{{- define "podmotion.labels" -}}
app.kubernetes.io/part-of: podmotion
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What selectors use: never changes between versions. */}}
{{- define "podmotion.controllerSelector" -}}
app.kubernetes.io/name: podmotion-controller
{{- end }}
{{- define "podmotion.agentSelector" -}}
app.kubernetes.io/name: podmotion-agent
{{- end }}

{{/* Image of a part: (dict "root" . "image" .Values.agent.image) */}}
{{- define "podmotion.image" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{ if $registry }}{{ trimSuffix "/" $registry }}/{{ end }}{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "podmotion.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The extender's address as far as it is known: the value, else that of the Service in the cluster, else nothing. */}}
{{- define "podmotion.extenderIP" -}}
{{- $service := lookup "v1" "Service" (include "podmotion.namespace" .) "podmotion-extender" -}}
{{- .Values.extender.clusterIP | default (dig "spec" "clusterIP" "" ($service | default dict)) -}}
{{- end }}
