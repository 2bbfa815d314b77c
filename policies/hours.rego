package sallyport

# Business hours for writes. The time is the input's, never the machine's: a
# decision must be reproducible from its recorded input.

deny contains {
	"code": "outside_business_hours",
	"message": sprintf("in %v nothing is changed outside business hours%v", [input.namespace, hours_shown]),
} if {
	environment
	not class_reads
	not without_hours
	not open
}

without_hours if environment.business_hours == false

open if data.business_hours.always == true

open if {
	is_time(input.time)
	now := [time.parse_rfc3339_ns(input.time), data.business_hours.timezone]
	time.weekday(now) in data.business_hours.days
	[hour, _, _] := time.clock(now)
	hour >= data.business_hours.start
	hour < data.business_hours.end
}

default hours_shown := ""

hours_shown := sprintf(" (%s, %d:00 to %d:00 %s)", [
	concat(", ", data.business_hours.days),
	data.business_hours.start,
	data.business_hours.end,
	data.business_hours.timezone,
])
