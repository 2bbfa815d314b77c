{{/* A policy's binding: (list . "name") */}}
{{- define "sallyport.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "sallyport.labels" (index . 0) | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
{{- end }}

{{/* The worker alone. */}}
{{- define "sallyport.byWorker" -}}
- name: by-the-worker
  expression: request.userInfo.username == '{{ include "sallyport.worker" . }}'
{{- end }}

{{/* What the name of an object of a call says: whether it is one, which call
     and which mode; and whether the labels say the same. */}}
{{- define "sallyport.variables" -}}
- name: wellNamed
  expression: object.metadata.name.matches('^agent-tool-(call-[a-z2-7]{26}|plan-[a-z2-7]{26}-[a-z0-9]{5})$')
- name: call
  expression: "variables.wellNamed ? object.metadata.name.substring(16, 42) : ''"
- name: mode
  expression: "object.metadata.name.startsWith('agent-tool-call-') ? 'run' : 'plan'"
- name: labelled
  expression: >-
    object.metadata.?labels[?'app.kubernetes.io/managed-by'].orValue('') == 'sallyport' &&
    object.metadata.?labels[?'sallyport.dev/call'].orValue('') == variables.call &&
    object.metadata.?labels[?'sallyport.dev/mode'].orValue('') == variables.mode
{{- end }}

{{/* The validations that all objects of a call share. */}}
{{- define "sallyport.belongs" -}}
- expression: variables.wellNamed && variables.labelled
  message: the worker makes objects of calls alone, whose names and labels say which call
{{- end }}
