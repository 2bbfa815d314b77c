package intrusion

// Manifest is that of a tool whose image was taken over. Its permissions allow
// it to read one Deployment, and to connect to the API server alone.
func Manifest(image string) string {
	return `name: intruder
title: A tool that was taken over
description: It tries what it can.
input_schema:
  type: object
  additionalProperties: false
  required: [name]
  properties:
    name: {type: string, pattern: "^[a-z0-9-]+$"}
mapping: {action: get, resource: deployment, namespace: staging, name: $.name}
risk: {read_only: true}
plan: never
runner: kube
permissions:
  kubernetes:
    - {group: apps, resource: deployments, verbs: [get]}
network: []
container:
  image: ` + image + `
  command: [/intruder, "staging/${name}"]
limits: {timeout: 60s, memory_mib: 64, processes: 64, output_bytes: 65536}
`
}
