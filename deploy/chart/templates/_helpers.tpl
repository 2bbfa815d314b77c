{{/* Labels of a component: (list . "api") */}}
{{- define "sallyport.selector" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "sallyport.labels" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/part-of: sallyport
{{- end }}

{{/* The worker's name to the API server. */}}
{{- define "sallyport.worker" -}}
system:serviceaccount:{{ .Release.Namespace }}:sallyport-worker
{{- end }}

{{- define "sallyport.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "sallyport.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "sallyport.mounts" -}}
- name: config
  mountPath: /etc/sallyport
  readOnly: true
- name: secrets
  mountPath: /etc/sallyport/secrets
  readOnly: true
- name: identities
  mountPath: /etc/sallyport/identities
  readOnly: true
{{- if .Values.configMaps.policies }}
- name: policies
  mountPath: /etc/sallyport/policies
  readOnly: true
{{- end }}
{{- if .Values.configMaps.tools }}
- name: tools
  mountPath: /etc/sallyport/tools
  readOnly: true
{{- end }}
{{- if not .Values.ledger.dsnSecret }}
- name: ledger
  mountPath: /var/lib/sallyport
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end }}

{{/* Volumes of a component: (list . "api") */}}
{{- define "sallyport.volumes" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ with $root -}}
- name: config
  configMap:
    name: sallyport-{{ $component }}
# Owned by root and readable for this pod's group: no process of the pod can change them.
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range index .Values.secrets $component }}
      - secret:
          name: {{ . }}
      {{- end }}
      {{- with .Values.ledger.dsnSecret }}
      - secret:
          name: {{ . }}
          items: [{key: ledger.dsn, path: ledger.dsn}]
      {{- end }}
      {{- with .Values.temporalTokens.audience }}
      - serviceAccountToken:
          audience: {{ . }}
          path: temporal.token
      {{- end }}
- name: identities
  configMap:
    name: {{ .Values.configMaps.identities }}
{{- if .Values.configMaps.policies }}
- name: policies
  configMap:
    name: {{ .Values.configMaps.policies }}
{{- end }}
{{- if .Values.configMaps.tools }}
- name: tools
  configMap:
    name: {{ .Values.configMaps.tools }}
{{- end }}
{{- if not .Values.ledger.dsnSecret }}
- name: ledger
  persistentVolumeClaim:
    claimName: sallyport-ledger
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end }}
{{- end }}

{{/* A configuration file: (list . "api") */}}
{{- define "sallyport.config" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ with $root -}}
{{- $config := mergeOverwrite (deepCopy .Values.config.shared) (deepCopy (index .Values.config $component)) -}}
{{- if .Values.configMaps.policies }}{{ $_ := set $config "policies" "policies" }}{{ end -}}
{{- if .Values.configMaps.tools }}{{ $_ := set $config "tools" "tools" }}{{ end -}}
{{- $place := dict "path" "/var/lib/sallyport/ledger.db" -}}
{{- if .Values.ledger.dsnSecret }}{{ $place = dict "dsn_file" "secrets/ledger.dsn" }}{{ end -}}
{{- with .Values.ledger.retention }}{{ $_ := set $place "retention" . }}{{ end -}}
{{- $_ := set $config "ledger" (mergeOverwrite $place (get $config "ledger" | default dict)) -}}
{{- $_ := set $config "kubernetes" (mergeOverwrite (include "sallyport.kubernetes" (list . $component) | fromYaml) (get $config "kubernetes" | default dict)) -}}
{{ toYaml $config }}
{{- end }}
{{- end }}

{{/* What a configuration says about Kubernetes: (list . "api"). The API only
     needs to know that tools run there. */}}
{{- define "sallyport.kubernetes" -}}
{{- $component := index . 1 }}{{ with index . 0 -}}
namespace: {{ .Values.execution.namespace }}
targets: {{ .Values.targets | toJson }}
executor_image: {{ .Values.images.executor }}
{{- with .Values.execution.annotations }}
annotations: {{ toJson . }}
{{- end }}
api_server:
  {{- $port := .Values.network.apiServer.port }}
  {{- range .Values.network.apiServer.cidrs }}
  - {{ . }}:{{ $port }}
  {{- end }}
{{- if eq $component "worker" }}
reply:
  listen: 0.0.0.0:{{ .Values.worker.replyPort }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "sallyport.selector" (list . "worker") | nindent 4 }}
{{- if .Values.worker.imageKeys }}
image_keys: [image-keys/keys.pem]
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Peers and one port, for an egress rule. */}}
{{- define "sallyport.egress" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end }}
