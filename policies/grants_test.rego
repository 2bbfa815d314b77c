package sallyport_test

import data.sallyport

asked_by(agent) := {"/agent/id": agent}

test_agents_without_grants_may_do_nothing if {
	every agent in ["other-bot", "Deploy-Bot", "deploy-bot ", "*", ""] {
		"not_granted" in codes(with_(reading, asked_by(agent)))
	}
}

test_agents_of_another_type_may_do_nothing if {
	every agent in [0, null, true, ["deploy-bot"], {"deploy-bot": true}] {
		codes(with_(reading, asked_by(agent))) == {"bad_input", "not_granted"}
	}
}

test_triage_bot_reads if {
	effect(with_(reading, asked_by("triage-bot"))) == "allow"
	effect(object.union_n([reading, production, asked_by("triage-bot")])) == "allow"
	effect(object.union_n([logs, asked_by("triage-bot")])) == "allow"
}

test_triage_bot_writes_nothing if {
	codes(asked_by("triage-bot")) == {"not_granted"}
	codes(with_(production, asked_by("triage-bot"))) == {"not_granted"}
	codes(with_(deleting, asked_by("triage-bot"))) == {"not_granted"}
}

by_group := {
	"agents": {},
	"groups": {"deployers": [{"tools": ["gitops_scale_deployment"], "actions": ["scale"], "namespaces": ["staging"]}]},
}

test_grants_by_group if {
	member := changed({"/agent/groups": ["others", "deployers"]})
	allowed := sallyport.decision with input as member with data.grants as by_group
	allowed.effect == "allow"
	outsider := sallyport.decision with input as changed({"/agent/groups": ["others"]}) with data.grants as by_group
	outsider.effect == "deny"
}

test_a_grant_covers_only_what_it_says if {
	member := {"/agent/groups": ["deployers"]}
	every other in [{"/tool/name": "k8s_scale_deployment"}, {"/action": "restart"}, {"/namespace": "production"}] {
		decision := sallyport.decision with input as changed(with_(member, other)) with data.grants as by_group
		decision.effect == "deny"
	}
}

# Two grants don't add up to a third one.
test_grants_do_not_mix if {
	decision := sallyport.decision with input as base
		with data.grants.agents["deploy-bot"] as [
			{"tools": ["*"], "actions": ["scale"], "namespaces": ["production"]},
			{"tools": ["*"], "actions": ["get"], "namespaces": ["staging"]},
		]
	{reason.code | some reason in decision.reasons} == {"not_granted"}
}

sees(agent, tool) if sallyport.visible with input as {"agent": {"id": agent, "groups": []}, "tool": tool}

reader := {"name": "gitops_get_manifest", "digest": "sha256:00", "read_only": true, "destructive": false, "image": ""}

writer := {"name": "gitops_scale_deployment", "digest": "sha256:00", "read_only": false, "destructive": false, "image": ""}

test_agents_see_what_they_could_call if {
	sees("deploy-bot", reader)
	sees("deploy-bot", writer)
	sees("triage-bot", reader)
	not sees("triage-bot", writer)
	not sees("other-bot", reader)
}

test_only_tools_of_the_grant_are_seen if {
	visible := sallyport.visible with input as {"agent": {"id": "x", "groups": ["deployers"]}, "tool": writer}
		with data.grants as by_group
	visible
	hidden := sallyport.visible with input as {"agent": {"id": "x", "groups": ["deployers"]}, "tool": reader}
		with data.grants as by_group
	not hidden
}

test_agents_that_only_write_see_no_readers if {
	grants := {"agents": {"writer": [{"tools": ["*"], "actions": ["scale"], "namespaces": ["*"]}]}, "groups": {}}
	visible := sallyport.visible with input as {"agent": {"id": "writer", "groups": []}, "tool": reader} with data.grants as grants
	not visible
}

test_visible_is_total if {
	every document in [{}, {"agent": "deploy-bot", "tool": 1}, {"agent": {"id": "deploy-bot"}}] {
		visible := sallyport.visible with input as document
		visible == false
	}
}
