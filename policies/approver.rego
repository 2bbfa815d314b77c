package sallyport

# METADATA
# title: Why a vote does not count
# description: |
#   Total: a list of reasons, which is empty for a vote that counts. Its input
#   is another than that of a decision; see the README. The gateway asks for
#   data.sallyport.approver.
# entrypoint: true
approver := sort(objections)

objections contains {
	"code": "not_eligible",
	"message": "the person is in none of the groups that this decision asks",
} if {
	not eligible
}

eligible if {
	is_text(input.person)
	is_texts(input.groups)
	input.decision.effect == "ask"
	some group in input.groups
	group in input.decision.approval.groups
}

objections contains {
	"code": "own_agent",
	"message": "the owner of an agent does not approve its calls (separation of duties)",
} if {
	not separate
}

# Spelling must not let an owner pass for another person.
separate if {
	is_text(input.person)
	is_text(input.agent.owner)
	lower(input.person) != lower(input.agent.owner)
}

objections contains {
	"code": "evidence_too_weak",
	"message": "this decision asks for votes that are established in another way",
} if {
	not evident
}

evident if input.evidence in input.decision.approval.evidence
