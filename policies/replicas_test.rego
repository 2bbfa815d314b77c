package sallyport_test

import data.sallyport

replicated(value) := {"/arguments/replicas": value}

test_up_to_the_cap if {
	every value in [0, 1, 5, 10, 1.0] {
		effect(replicated(value)) == "allow"
	}
}

test_over_the_cap_is_named if {
	decide(replicated(50)).reasons == [{
		"code": "replica_cap",
		"message": "50 replicas are more than the cap of 10 in staging",
	}]
	codes(replicated(11)) == {"replica_cap"}
	codes(with_(production, replicated(21))) == {"replica_cap"}
}

# Rego orders values of different types, so that these are "<= 10" or not "> 10".
test_what_is_no_number_of_replicas if {
	every value in [-5, -0.5, 1.5, null, true, "5", "1e9", [5], {"replicas": 5}, {}] {
		"bad_replicas" in codes(replicated(value))
	}
}

test_false_and_missing_replicas if {
	"bad_replicas" in codes(replicated(false))
	codes({"/arguments": {}}) == {"bad_replicas"}
	codes({"/arguments": {"replica": 5}}) == {"bad_replicas"}
}

test_replicas_anywhere_in_the_arguments if {
	every arguments in [
		{"manifest": {"kind": "Deployment", "spec": {"replicas": 50}}},
		{"manifest": {"kind": "List", "items": [{"spec": {"replicas": 50}}]}},
	] {
		codes({"/action": "apply", "/resource": "object", "/arguments": arguments}) == {"replica_cap"}
	}
}

# What the tools for Kubernetes are called with.
test_replicas_of_a_deployment_in_the_cluster if {
	effect(scaling_by_k8s(10)) == "allow"
	codes(scaling_by_k8s(11)) == {"replica_cap"}
}

scaling_by_k8s(value) := {
	"/tool": {"name": "k8s_scale_deployment", "digest": "sha256:00", "read_only": false, "destructive": false, "image": ""},
	"/arguments": {"namespace": "staging", "name": "api", "replicas": value},
}

test_replicas_of_what_is_applied if {
	every kind, member in {"Deployment": "replicas", "StatefulSet": "replicas", "HorizontalPodAutoscaler": "maxReplicas"} {
		effect(applied(kind, member, 10)) == "allow"
		codes(applied(kind, member, 11)) == {"replica_cap"}
		codes(applied(kind, member, "11")) == {"bad_replicas"}
	}
}

applied(kind, member, value) := {
	"/action": "apply",
	"/resource": kind,
	"/arguments": {"manifest": {"kind": kind, "spec": {member: value}}},
}

planned(changes) := {"/plan": {"digest": "sha256:00", "changes": changes}}

test_replicas_in_the_plan if {
	effect(planned([{"path": "/spec/replicas", "before": 3, "after": 5}])) == "allow"
	codes(planned([{"path": "/spec/replicas", "before": 3, "after": 50}])) == {"replica_cap"}
	codes(planned([{"path": "/spec", "before": null, "after": {"replicas": 50}}])) == {"replica_cap"}
	codes(planned([{"path": "/spec/replicas", "before": 3, "after": "50"}])) == {"bad_replicas"}
	codes(planned([{"path": "/spec/maxReplicas", "before": 3, "after": 50}])) == {"replica_cap"}
	codes(planned([{"path": "", "before": null, "after": {"spec": {"maxReplicas": 50}}}])) == {"replica_cap"}
}

test_no_cap_is_zero if {
	environment := object.remove(data.environments.staging, ["replica_cap"])
	decision := sallyport.decision with input as base with data.environments.staging as environment
	decision.reasons[0].message == "5 replicas are more than the cap of 0 in staging"
}
