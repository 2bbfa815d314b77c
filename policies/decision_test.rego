package sallyport_test

import data.sallyport

test_write_in_staging_is_allowed if {
	decide({}) == {"effect": "allow", "reasons": [], "obligations": {"timeout_seconds": 60}}
}

test_read_in_staging_is_allowed if {
	decide(reading) == {"effect": "allow", "reasons": [], "obligations": {"timeout_seconds": 30}}
}

# An image from a registry must be signed, for every action, with or without
# approval.
test_images_must_be_signed if {
	decide(contained).obligations == {"timeout_seconds": 60, "signed_image": true}
	decide(with_(contained, production)).obligations == {"timeout_seconds": 60, "signed_image": true}
	every call in [reading, deleting, with_(deleting, production)] {
		decide(with_(call, contained)).obligations.signed_image == true
		not decide(call).obligations.signed_image
	}
}

# An input without an image does not permit an unsigned one.
test_unknown_images_must_be_signed if {
	every image in [null, false, 0, [], {}, " "] {
		decision := sallyport.decision with input as changed({"/tool/image": image})
			with data.sallyport.input_members as []
		decision.obligations.signed_image == true
	}
	decision := sallyport.decision with input as json.remove(base, ["/tool/image"])
		with data.sallyport.input_members as []
	decision.obligations.signed_image == true
}

test_read_in_production_is_allowed if effect(with_(reading, production)) == "allow"

test_read_in_production_is_allowed_at_night if {
	effect(object.union_n([reading, production, {"/time": "2026-11-22T03:00:00Z"}])) == "allow"
}

test_destructive_in_staging_is_allowed if effect(deleting) == "allow"

test_write_in_production_asks if {
	decide(production) == {
		"effect": "ask",
		"reasons": [{
			"code": "production_write",
			"message": "a write in production needs 1 approval(s) from: sre",
		}],
		"approval": {
			"groups": ["sre"],
			"quorum": 1,
			"ttl_seconds": 3600,
			"evidence": ["temporal-principal", "idp-signed", "api-attested"],
		},
		"obligations": {"timeout_seconds": 60},
	}
}

test_destructive_in_production_asks_two if {
	decision := decide(with_(deleting, production))
	decision.effect == "ask"
	decision.approval.quorum == 2
	decision.reasons == [{
		"code": "production_destructive",
		"message": "a destructive action in production needs 2 approval(s) from: sre",
	}]
}

# What can't be undone must be voted on by evidence that holds against the
# gateway itself.
test_destructive_in_production_needs_strong_evidence if {
	classes := {class | some class in decide(with_(deleting, production)).approval.evidence}
	classes == {"temporal-principal", "idp-signed"}
}

test_writes_in_production_take_any_evidence if {
	classes := {class | some class in decide(production).approval.evidence}
	classes == {"temporal-principal", "idp-signed", "api-attested"}
}

# The tool alone makes a call destructive, whatever its action is called.
test_destructive_tool_under_a_harmless_action_asks_two if {
	decide(with_(production, {"/tool/destructive": true})).approval.quorum == 2
}

# A decision that ignores the reasons to deny would allow everything.
test_deny_overrides_allow if {
	decision := sallyport.decision with input as base
		with data.sallyport.deny as {{"code": "x", "message": "y"}}
	decision == {"effect": "deny", "reasons": [{"code": "x", "message": "y"}], "obligations": {}}
}

test_deny_overrides_ask if {
	decision := sallyport.decision with input as changed(production)
		with data.sallyport.deny as {{"code": "x", "message": "y"}}
	decision.effect == "deny"
}

test_what_no_rule_allows_is_denied if {
	every call in [base, changed(production), changed(reading)] {
		decision := sallyport.decision with input as call
			with data.sallyport.deny as set()
			with data.sallyport.granted as false
		decision.effect == "deny"
		decision.reasons[0].code == "default_deny"
	}
}

test_nothing_at_all_is_denied if {
	decision := sallyport.decision with input as {}
	decision.effect == "deny"
}

test_all_reasons_are_given if {
	codes({"/namespace": "production", "/arguments/replicas": 50, "/time": "2026-11-22T11:00:00Z"}) == {
		"replica_cap",
		"outside_business_hours",
	}
}

# Missing or invalid terms do not mean that no approval is needed.
test_environments_without_terms_are_denied if {
	every approval in [{}, {"destructive": "none"}, {"write": null}, {"write": "None"}, {"write": {"groups": [], "quorum": 1}}, "none"] {
		environment := json.patch(data.environments.production, [{"op": "replace", "path": "/approval", "value": approval}])
		decision := sallyport.decision with input as changed(production) with data.environments.production as environment
		decision.effect == "deny"
	}
}

test_no_timeout_is_denied if {
	decision := sallyport.decision with input as base with data.timeouts as {}
	decision.effect == "deny"
}

test_code_of_a_namespace_with_a_hyphen if {
	decision := sallyport.decision with input as changed({"/namespace": "team-a"})
		with data.environments["team-a"] as object.union(data.environments.production, {"business_hours": false})
		with data.grants.agents["deploy-bot"] as [{"tools": ["*"], "actions": ["*"], "namespaces": ["*"]}]
	decision.reasons[0].code == "team_a_write"
}
