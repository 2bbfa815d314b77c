package sallyport_test

import data.sallyport

vote := {
	"person": "bob",
	"groups": ["dev", "sre"],
	"evidence": "idp-signed",
	"intent": {"call_id": "abcdefghijklmnopqrstuvwxyz", "action": "scale", "namespace": "production"},
	"decision": {
		"effect": "ask",
		"reasons": [{"code": "production_write", "message": "…"}],
		"approval": {"groups": ["sre"], "quorum": 1, "ttl_seconds": 3600, "evidence": ["temporal-principal", "idp-signed"]},
	},
	"agent": {"id": "deploy-bot", "owner": "alice", "groups": []},
}

objections(patches) := {reason.code | some reason in list} if {
	list := sallyport.approver with input as json.patch(vote, [{"op": "add", "path": path, "value": value} | some path, value in patches])
}

test_a_vote_that_counts if {
	reasons := sallyport.approver with input as vote
	reasons == []
}

test_owners_do_not_approve if {
	every person in ["alice", "Alice", "ALICE"] {
		objections({"/person": person}) == {"own_agent"}
	}
}

test_an_agent_without_owner_has_no_approvers if {
	every owner in ["", null, 1, ["alice"]] {
		objections({"/agent/owner": owner}) == {"own_agent"}
	}
}

test_others_are_not_eligible if {
	every groups in [[], ["dev"], ["SRE"], "sre", {"group": "sre"}, null] {
		objections({"/groups": groups}) == {"not_eligible"}
	}
}

test_nobody_is_not_eligible if {
	every person in ["", null, 1, ["bob"]] {
		objections({"/person": person}) == {"not_eligible", "own_agent"}
	}
}

test_only_what_was_asked_is_voted_on if {
	every effect in ["allow", "deny", "", null] {
		objections({"/decision/effect": effect}) == {"not_eligible"}
	}
	every approval in [null, {}, {"groups": "sre", "evidence": "idp-signed"}] {
		objections({"/decision/approval": approval}) == {"not_eligible", "evidence_too_weak"}
	}
}

test_evidence_must_suffice if {
	every evidence in ["api-attested", "", "IDP-SIGNED", ["idp-signed"], null] {
		objections({"/evidence": evidence}) == {"evidence_too_weak"}
	}
}

test_nothing_at_all_does_not_count if {
	reasons := sallyport.approver with input as {}
	{reason.code | some reason in reasons} == {"not_eligible", "own_agent", "evidence_too_weak"}
}
