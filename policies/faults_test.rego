package sallyport_test

import data.sallyport

test_the_default_data_has_no_faults if sallyport.faults == set()

test_open_hours_have_no_faults if {
	faults := sallyport.faults with data.business_hours as {"always": true}
	faults == set()
}

test_actions if {
	every actions in [null, [], {"get": "reads"}, {"get": null}] {
		faults := sallyport.faults with data.actions as actions
		faults == {"data.actions must be an object whose values are read, write or destructive"}
	}
}

test_resources if {
	every resources in [null, {}, "deployment", [1]] {
		faults := sallyport.faults with data.resources as resources
		faults == {"data.resources must be a list of words"}
	}
}

test_timeouts if {
	every seconds in [null, 0, -1, 1.5, 901, "60"] {
		faults := sallyport.faults with data.timeouts.write as seconds
		faults == {"data.timeouts.write must be a whole number from 1 to 900"}
	}
}

test_limits if {
	every limit in [null, -1, 1.5, "60"] {
		faults := sallyport.faults with data.limits.calls_per_minute as limit
		faults == {"data.limits.calls_per_minute must be a whole number that is not negative"}
	}
}

business_hours := {"timezone": "Europe/Berlin", "days": ["Monday"], "start": 8, "end": 18}

test_business_hours if {
	every hours in [
		null,
		"always",
		{"always": "true"},
		{"always": true, "start": 8},
		object.remove(business_hours, ["end"]),
		object.union(business_hours, {"ends": 18}),
		object.union(business_hours, {"timezone": 1}),
		object.union(business_hours, {"days": ["Mon"]}),
		object.union(business_hours, {"days": "Monday"}),
		object.union(business_hours, {"days": {"day": "Monday"}}),
		object.union(business_hours, {"start": 18}),
		object.union(business_hours, {"start": "8"}),
		object.union(business_hours, {"start": -1}),
		object.union(business_hours, {"end": 18.5}),
		object.union(business_hours, {"end": 25}),
	] {
		faults := sallyport.faults with data.business_hours as hours
		count(faults) == 1
	}
}

test_grants if {
	every list in [
		null,
		{},
		["*"],
		[{"tools": ["*"], "actions": ["*"]}],
		[{"tools": ["*"], "actions": ["*"], "namespace": ["*"]}],
		[{"tools": "*", "actions": ["*"], "namespaces": ["*"]}],
		[{"tools": {"tool": "*"}, "actions": ["*"], "namespaces": ["*"]}],
		[{"tools": [1], "actions": ["*"], "namespaces": ["*"]}],
	] {
		faults := sallyport.faults with data.grants.agents as {"a": list}
		faults == {"data.grants.agents.a must be a list of {tools, actions, namespaces}, each a list of words"}
	}
}

test_environments if {
	staging := data.environments.staging
	every environment in [
		null,
		{},
		object.remove(staging, ["approval"]),
		object.union(staging, {"aproval": {}}),
		object.union(staging, {"actions": "get"}),
		object.union(staging, {"replica_cap": -1}),
		object.union(staging, {"business_hours": "no"}),
		object.union(staging, {"approval": "none"}),
		json.remove(staging, ["/approval/write"]),
		json.patch(staging, [{"op": "add", "path": "/approval/write", "value": "anyone"}]),
	] {
		faults := sallyport.faults with data.environments.staging as environment
		count(faults) == 1
	}
}

test_terms if {
	write := data.environments.production.approval.write
	sallyport.is_terms(write)
	every terms in [
		object.remove(write, ["quorum"]),
		object.union(write, {"quorom": 2}),
		object.union(write, {"groups": []}),
		object.union(write, {"groups": "sre"}),
		object.union(write, {"quorum": 0}),
		object.union(write, {"quorum": "2"}),
		object.union(write, {"ttl_seconds": 0}),
		object.union(write, {"ttl_seconds": 604801}),
		object.union(write, {"ttl_seconds": 1.5}),
		object.union(write, {"evidence": []}),
		object.union(write, {"evidence": "idp-signed"}),
		object.union(write, {"evidence": {"class": "idp-signed"}}),
		object.union(write, {"evidence": ["a hunch"]}),
	] {
		not sallyport.is_terms(terms)
	}
}
