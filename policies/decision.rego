# METADATA
# title: Sallyport's default policy
# description: |
#   Deny overrides, ask comes before allow, and what no rule allows is denied.
#   Rules are in this package; what they are applied to (who may do what, where,
#   when and how often) is data, so that most changes touch no rule.
#
#   In Rego "not a < b" and "not f(a)" are undefined, not true, where a is: a
#   member that is missing would slip past. Rules here therefore negate nothing
#   but rules of their own and values that are there for certain.
package sallyport

# METADATA
# title: The decision on one call
# description: Total. The gateway asks for data.sallyport.decision.
# entrypoint: true
default decision := {
	"effect": "deny",
	"reasons": [{"code": "default_deny", "message": "no rule allows this call"}],
	"obligations": {},
}

decision := {
	"effect": "deny",
	"reasons": sort(deny),
	"obligations": {},
} if {
	count(deny) > 0
} else := {
	"effect": "ask",
	"reasons": [{
		"code": sprintf("%s_%s", [replace(input.namespace, "-", "_"), class]),
		"message": sprintf("a %s in %s needs %d approval(s) from: %s", [
			class_noun,
			input.namespace,
			terms.quorum,
			concat(", ", terms.groups),
		]),
	}],
	"approval": terms,
	"obligations": obligations,
} if {
	granted
	terms
} else := {
	"effect": "allow",
	"reasons": [],
	"obligations": obligations,
} if {
	granted
	unattended
}

# What approvers must agree to. Undefined where nobody is asked.
terms := environment.approval[class] if is_terms(environment.approval[class])

# Nobody needs to be asked. Leaving out an environment's terms is not enough:
# it must say "none".
unattended if class == "read"

unattended if environment.approval[class] == "none"

class_noun := {
	"read": "read",
	"write": "write",
	"destructive": "destructive action",
}[class]

obligations := object.union({"timeout_seconds": data.timeouts[class]}, of_image)

# Whoever can push to a registry, or names its images in a manifest, still
# can't have code run that nobody with a key has agreed to.
default of_image := {"signed_image": true}

of_image := {} if input.tool.image == ""
