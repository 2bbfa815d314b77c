package sallyport

# Rate limits and loops, by the agent's recorded calls. Calls made at the same
# moment may not see each other; the ledger enforces hard limits.

deny contains {
	"code": "too_many_calls",
	"message": sprintf("the limit is %v calls a minute; slow down", [limit("calls_per_minute")]),
} if {
	not calls_within_limit
}

calls_within_limit if input.history.calls_last_minute < limit("calls_per_minute")

# The same call over and over is an agent in a loop.
deny contains {
	"code": "repeated_call",
	"message": sprintf("the same call may be made %v times an hour; do something else", [limit(repeats)]),
} if {
	not repeats_within_limit
}

repeats_within_limit if input.history.same_arguments_last_hour < limit(repeats)

default repeats := "same_write_per_hour"

repeats := "same_read_per_hour" if class == "read"

limit(name) := data.limits[name] if {
	is_number(data.limits[name])
} else := 0
