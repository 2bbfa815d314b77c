package sallyport

# What the call is, by data and by the tool's manifest.

environment := data.environments[input.namespace]

# The higher risk of the action's class and of the tool's manifest.
class := "destructive" if {
	not harmless
} else := data.actions[input.action]

deny contains {
	"code": "unknown_namespace",
	"message": "the namespace is not one of the environments that policy knows",
} if {
	not environment
}

deny contains {
	"code": "unknown_action",
	"message": "the action is not one that policy knows",
} if {
	not known_action
}

known_action if data.actions[input.action]

deny contains {
	"code": "unknown_resource",
	"message": "the resource is not of a kind that policy knows",
} if {
	not known_resource
}

known_resource if input.resource in data.resources

deny contains {
	"code": "action_outside_environment",
	"message": sprintf("action %s is never done in %s", [input.action, input.namespace]),
} if {
	environment
	known_action
	not done_here
}

done_here if input.action in environment.actions

# A tool that writes under an action that reads would slip past every rule
# about writes.
deny contains {
	"code": "risk_mismatch",
	"message": "the tool's manifest and policy disagree on whether this call only reads",
} if {
	only_reads != class_reads
}

default class_reads := false

class_reads if class == "read"

harmless if input.tool.destructive == false

default only_reads := false

only_reads if input.tool.read_only == true

# No agent reads or changes a Secret, even if the data lists secrets among the
# resources, or a manifest in the arguments holds one.
deny contains {
	"code": "secret_resource",
	"message": "secrets are out of reach for every agent",
} if {
	some kind in kinds
	contains(lower(kind), "secret")
}

kinds contains input.resource if is_string(input.resource)

kinds contains kind if {
	walk(input.arguments, [_, object])
	is_object(object)
	some name, kind in object
	lower(name) == "kind"
	is_string(kind)
}

# Where a kind is a list or an object, every text in the arguments counts as one: to
# look at those within it alone takes paths, which cost several times as much.
kinds contains value if {
	nests_kinds
	walk(input.arguments, [_, value])
	is_string(value)
}

nests_kinds if {
	walk(input.arguments, [_, object])
	is_object(object)
	some name, kind in object
	lower(name) == "kind"
	type_name(kind) in {"array", "object"}
}
