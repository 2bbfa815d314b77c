# METADATA
# title: Sallyport's default policy
# description: |
#   Deny overrides, ask comes before allow, and a call that no rule allows is
#   denied. Rules are in this package; grants, environments, hours and limits are
#   data, so that most changes touch no rule.
#
#   In Rego "not a < b" and "not f(a)" are undefined, not true, where a is: a
#   missing member would pass. Rules here therefore negate only rules of their
#   own and values that are always defined.
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

# The conditions of an approval. Undefined where no approval is needed.
terms := environment.approval[class] if is_terms(environment.approval[class])

# No approval is needed. For a write, leaving out an environment's terms is not
# enough: the data must say "none".
unattended if class == "read"

unattended if environment.approval[class] == "none"

class_noun := {
	"read": "read",
	"write": "write",
	"destructive": "destructive action",
}[class]

obligations := object.union({"timeout_seconds": data.timeouts[class]}, of_image)

# Permission to push to a registry, or to name an image in a manifest, does not
# suffice to run code: a holder of a signing key must have signed the image.
default of_image := {"signed_image": true}

of_image := {} if input.tool.image == ""
