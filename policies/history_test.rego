package sallyport_test

import data.sallyport

recently(member, n) := {concat("", ["/history/", member]): n}

test_calls_in_a_minute if {
	effect(recently("calls_last_minute", 119)) == "allow"
	codes(recently("calls_last_minute", 120)) == {"too_many_calls"}
}

test_the_same_write_in_an_hour if {
	effect(recently("same_arguments_last_hour", 19)) == "allow"
	codes(recently("same_arguments_last_hour", 20)) == {"repeated_call"}
}

test_the_same_read_in_an_hour if {
	effect(with_(reading, recently("same_arguments_last_hour", 359))) == "allow"
	codes(with_(reading, recently("same_arguments_last_hour", 360))) == {"repeated_call"}
}

test_history_is_needed if {
	decision := sallyport.decision with input as object.remove(base, ["history"])
	{reason.code | some reason in decision.reasons} == {"bad_input", "too_many_calls", "repeated_call"}
}

# Rego sorts numbers before strings.
test_limits_of_another_type_are_zero if {
	decision := sallyport.decision with input as base with data.limits.calls_per_minute as "120"
	{reason.code | some reason in decision.reasons} == {"too_many_calls"}
}

test_no_limit_is_zero if {
	decision := sallyport.decision with input as base with data.limits as {}
	{reason.code | some reason in decision.reasons} == {"too_many_calls", "repeated_call"}
}
