package sallyport_test

import data.sallyport

at(time) := with_(production, {"/time": time})

test_open_hours if {
	every time in [
		"2026-11-23T07:00:00Z", # Monday 08:00 in winter
		"2026-11-27T16:59:59.999Z", # Friday 17:59
		"2026-07-06T06:00:00Z", # Monday 08:00 in summer
	] {
		effect(at(time)) == "ask"
	}
}

test_closed_hours if {
	every time in [
		"2026-11-23T06:59:59Z", # Monday 07:59 in winter
		"2026-11-23T17:00:00Z", # Monday 18:00
		"2026-07-06T16:00:00Z", # Monday 18:00 in summer
		"2026-11-21T11:00:00Z", # Saturday noon
		"2026-11-22T11:00:00Z", # Sunday noon
	] {
		codes(at(time)) == {"outside_business_hours"}
	}
}

# The day is that of the timezone: Sunday 23:30 UTC is Monday in Tokyo.
test_days_are_those_of_the_timezone if {
	hours := {"timezone": "Asia/Tokyo", "days": ["Monday"], "start": 8, "end": 18}
	decision := sallyport.decision with input as changed(at("2026-11-22T23:30:00Z")) with data.business_hours as hours
	decision.effect == "ask"
}

test_message_names_the_hours if {
	decide(at("2026-11-22T11:00:00Z")).reasons[0].message == concat("", [
		"in production nothing is changed outside business hours ",
		"(Monday, Tuesday, Wednesday, Thursday, Friday, 8:00 to 18:00 Europe/Berlin)",
	])
}

test_always if {
	decision := sallyport.decision with input as changed(at("2026-11-22T03:00:00Z")) with data.business_hours as {"always": true}
	decision.effect == "ask"
}

test_always_must_be_true if {
	every hours in [{"always": "true"}, {"always": 1}, {"always": false}, {}, null] {
		decision := sallyport.decision with input as changed(at("2026-11-23T11:00:00Z")) with data.business_hours as hours
		{reason.code | some reason in decision.reasons} == {"outside_business_hours"}
	}
}

test_staging_has_no_hours if effect({"/time": "2026-11-22T03:00:00Z"}) == "allow"

test_environment_that_does_not_say_has_hours if {
	environment := object.remove(data.environments.staging, ["business_hours"])
	decision := sallyport.decision with input as changed({"/time": "2026-11-22T03:00:00Z"})
		with data.environments.staging as environment
		with data.business_hours as office
	{reason.code | some reason in decision.reasons} == {"outside_business_hours"}
}

test_times_that_are_none if {
	every time in ["", "now", "2026-11-23", "2026-11-23T11:00:00+01:00", "2026-13-23T11:00:00Z", 1795777200, null] {
		codes(at(time)) == {"bad_input", "outside_business_hours"}
	}
}
