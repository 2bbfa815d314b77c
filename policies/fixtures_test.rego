package sallyport_test

import data.sallyport

# A call that the default data allows: deploy-bot scales staging to 5 on a
# Monday at noon in Berlin. Tests change one thing at a time.
base := {
	"agent": {"id": "deploy-bot", "issuer": "https://agents.example.com", "owner": "alice", "groups": []},
	"call": {"id": "abcdefghijklmnopqrstuvwxyz", "claimed": {"reason": "", "session": "", "task": ""}},
	"tool": {"name": "gitops_scale_deployment", "digest": "sha256:00", "read_only": false, "destructive": false, "image": ""},
	"action": "scale",
	"resource": "deployment",
	"namespace": "staging",
	"name": "api",
	"arguments": {"environment": "staging", "name": "api", "replicas": 5},
	"time": "2026-11-23T11:00:00Z",
	"plan": null,
	"history": {"calls_last_minute": 0, "calls_last_hour": 0, "same_arguments_last_hour": 0, "denied_last_hour": 0},
}

changed(patches) := json.patch(base, [{"op": "add", "path": path, "value": value} | some path, value in patches])

# Hours and limits are pinned: these tests also come with policies whose data
# were changed.
office := {
	"timezone": "Europe/Berlin",
	"days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
	"start": 8,
	"end": 18,
}

bounds := {"calls_per_minute": 120, "same_read_per_hour": 360, "same_write_per_hour": 20}

decide(patches) := decision if {
	decision := sallyport.decision with input as changed(patches)
		with data.business_hours as office
		with data.limits as bounds
}

effect(patches) := decide(patches).effect

codes(patches) := {reason.code | some reason in decide(patches).reasons}

reading := {
	"/tool": {"name": "gitops_get_manifest", "digest": "sha256:00", "read_only": true, "destructive": false, "image": ""},
	"/action": "get",
	"/arguments": {"environment": "staging", "name": "api"},
}

deleting := {
	"/tool": {"name": "k8s_delete_pod", "digest": "sha256:00", "read_only": false, "destructive": true, "image": ""},
	"/action": "delete",
	"/resource": "pod",
	"/arguments": {"namespace": "staging", "name": "api-0"},
}

# A tool that is an image of its own.
contained := {"/tool/image": concat("", ["registry.example.com/tools/scale@sha256:", sixty_four])}

sixty_four := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

production := {"/namespace": "production"}

with_(a, b) := object.union(a, b)
