package sallyport

# How far a workload may be scaled, at once or by an autoscaler. Every member
# called "replicas" or "maxReplicas" counts, wherever it stands: in the
# arguments, in a manifest in the arguments, in what the plan would change.

deny contains {
	"code": "bad_replicas",
	"message": "replicas must be a whole number that is not negative",
} if {
	some value in replicas
	not is_count(value)
}

deny contains {
	"code": "bad_replicas",
	"message": "scaling needs a number of replicas",
} if {
	input.action == "scale"
	not states_replicas
}

states_replicas if is_number(input.arguments.replicas)

deny contains {
	"code": "replica_cap",
	"message": sprintf("%v replicas are more than the cap of %v in %v", [value, replica_cap, input.namespace]),
} if {
	environment
	some value in replicas
	is_number(value)
	value > replica_cap
}

default replica_cap := 0

replica_cap := environment.replica_cap

replica_members := {"replicas", "maxReplicas"}

replicas contains object[member] if {
	walk(input.arguments, [_, object])
	is_object(object)
	some member in replica_members
}

replicas contains change.after if {
	some change in input.plan.changes
	is_string(change.path)
	some member in replica_members
	endswith(change.path, sprintf("/%s", [member]))
}

replicas contains object[member] if {
	some change in input.plan.changes
	walk(change.after, [_, object])
	is_object(object)
	some member in replica_members
}
