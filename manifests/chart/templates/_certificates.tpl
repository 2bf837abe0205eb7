{{/*
The CA as a dictionary {cert, key} in base64, as YAML: the one in the cluster, or a new one.
*/}}
{{- define "podmotion.ca" -}}
{{- $secret := lookup "v1" "Secret" (include "podmotion.namespace" .) "podmotion-ca" -}}
{{- if $secret -}}
cert: {{ index $secret.data "tls.crt" }}
key: {{ index $secret.data "tls.key" }}
{{- else -}}
{{- $ca := genCA "podmotion" (int .Values.certificates.days) -}}
cert: {{ b64enc $ca.Cert }}
key: {{ b64enc $ca.Key }}
{{- end -}}
{{- end }}

{{/*
One TLS Secret: the one in the cluster while it is for the same names and the same CA, else a new one signed by the CA.
(dict "root" . "ca" {cert, key} "name" secret "commonName" cn "ips" list "dnsNames" list)
*/}}
{{- define "podmotion.tlsSecret" -}}
{{- $namespace := include "podmotion.namespace" .root -}}
{{- $purpose := list .commonName .ips .dnsNames .root.Values.certificates.rotation .ca.cert | toJson | sha256sum -}}
{{- $old := lookup "v1" "Secret" $namespace .name | default dict -}}
{{- $fits := eq $purpose (dig "metadata" "annotations" "podmotion.io/certificate-purpose" "" $old) }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "podmotion.labels" .root | nindent 4 }}
  annotations:
    podmotion.io/certificate-purpose: {{ $purpose }}
type: kubernetes.io/tls
data:
  ca.crt: {{ .ca.cert }}
  {{- if $fits }}
  tls.crt: {{ index $old.data "tls.crt" }}
  tls.key: {{ index $old.data "tls.key" }}
  {{- else }}
  {{- $signer := buildCustomCert .ca.cert .ca.key }}
  {{- $new := genSignedCert .commonName .ips .dnsNames (int .root.Values.certificates.days) $signer }}
  tls.crt: {{ b64enc $new.Cert }}
  tls.key: {{ b64enc $new.Key }}
  {{- end }}
{{- end }}
