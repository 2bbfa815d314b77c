package sallyport_test

import data.sallyport

# One value of every type. Each member takes some of them.
samples := ["text", "", 1, -1, 1.5, true, null, [], ["text"], [1], [""], {}, {"a": "b"}, {"text"}]

accepted := {
	"string": ["text", ""],
	"text": ["text"],
	"texts": [[], ["text"]],
	"boolean": [true],
	"object": [{}, {"a": "b"}],
	"count": [1],
	"image": [""],
	"time": [],
	"plan": [null],
}

test_every_member_refuses_other_types if {
	every member in sallyport.input_members {
		every value in samples {
			path := concat("/", array.concat([""], member.path))
			refused := {value | "bad_input" in codes({path: value})}
			refused == {value} - {item | some item in accepted[member.type]}
		}
	}
}

test_every_member_is_needed if {
	every member in sallyport.input_members {
		path := concat("/", array.concat([""], member.path))
		decision := sallyport.decision with input as json.remove(base, [path])
		some reason in decision.reasons
		reason.code == "bad_input"
		startswith(reason.message, path)
	}
}

test_every_member_is_checked if {
	checked := {concat("/", member.path) | some member in sallyport.input_members}
	leaves := {concat("/", path) |
		walk(base, [path, value])
		not is_object(value)
	}
	leaves - checked == {"arguments/environment", "arguments/name", "arguments/replicas"}
}

test_images if {
	effect(contained) == "allow"
	every image in [
		"registry.example.com/scale",
		"registry.example.com/scale:1.2",
		"registry.example.com/scale@sha256:00",
		concat("", ["@sha256:", sixty_four]),
		concat("", ["registry.example.com/scale@sha256:", sixty_four, "0"]),
		concat("", ["registry.example.com/scale@sha256:", sixty_four, "\n"]),
		concat("", ["registry.example.com/scale@sha512:", sixty_four]),
		concat("", ["registry.example.com/a b@sha256:", sixty_four]),
	] {
		codes({"/tool/image": image}) == {"bad_input"}
	}
}

test_plans if {
	effect(planned([])) == "allow"
	every plan in [{}, {"digest": "", "changes": []}, {"digest": "d", "changes": {}}, {"digest": "d", "changes": [{"path": 1}]}, {"digest": "d", "changes": [1]}] {
		codes({"/plan": plan}) == {"bad_input"}
	}
}

test_message_names_member_and_type if {
	decide({"/agent/owner": 1}).reasons == [{"code": "bad_input", "message": "/agent/owner is missing or not text"}]
}

# Each rule holds by itself: what "bad_input" should have stopped is denied by
# the rule that would have misread it, too.
test_rules_do_not_rely_on_each_other if {
	expected := {
		"/agent/id": "not_granted",
		"/tool/name": "not_granted",
		"/tool/read_only": "risk_mismatch",
		"/tool/destructive": "risk_mismatch",
		"/action": "unknown_action",
		"/resource": "unknown_resource",
		"/namespace": "unknown_namespace",
		"/history/calls_last_minute": "too_many_calls",
		"/history/same_arguments_last_hour": "repeated_call",
	}
	by_name := with_(reading, {"/agent/id": "reader"})
	grants := [{"tools": ["gitops_get_manifest"], "actions": ["*"], "namespaces": ["*"]}]
	every path, code in expected {
		decision := sallyport.decision with input as json.remove(changed(by_name), [path])
			with data.sallyport.input_members as []
			with data.grants.agents.reader as grants
		code in {reason.code | some reason in decision.reasons}
	}
}
