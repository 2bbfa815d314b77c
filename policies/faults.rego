package sallyport

# METADATA
# title: What is wrong with the data
# description: |
#   The gateway refuses to load a policy while data.sallyport.faults has
#   members. A member that is missing, misspelt or of the wrong type would
#   otherwise show only when a call is evaluated.
faults contains sprintf("data.%s must be %s", [concat(".", setting.path), expected[setting.type]]) if {
	some setting in required_settings
	not data_fits(setting.type, object.get(settings, setting.path, missing))
}

faults contains sprintf("data.environments.%s must be %s", [name, expected.environment]) if {
	some name, value in data.environments
	not is_environment(value)
}

faults contains sprintf("data.grants.%s.%s must be %s", [holders, holder, expected.grants]) if {
	some holders, lists in data.grants
	some holder, list in lists
	not is_grants(list)
}

settings["actions"] := data.actions

settings["resources"] := data.resources

settings["environments"] := data.environments

settings["grants"] := data.grants

settings["business_hours"] := data.business_hours

settings["limits"] := data.limits

settings["timeouts"] := data.timeouts

required_settings := [
	{"path": ["actions"], "type": "actions"},
	{"path": ["resources"], "type": "texts"},
	{"path": ["environments"], "type": "object"},
	{"path": ["grants", "agents"], "type": "object"},
	{"path": ["grants", "groups"], "type": "object"},
	{"path": ["business_hours"], "type": "hours"},
	{"path": ["limits", "calls_per_minute"], "type": "count"},
	{"path": ["limits", "same_read_per_hour"], "type": "count"},
	{"path": ["limits", "same_write_per_hour"], "type": "count"},
	{"path": ["timeouts", "read"], "type": "seconds"},
	{"path": ["timeouts", "write"], "type": "seconds"},
	{"path": ["timeouts", "destructive"], "type": "seconds"},
]

expected := {
	"actions": "an object whose values are read, write or destructive",
	"texts": "a list of words",
	"object": "an object",
	"count": "a whole number that is not negative",
	"seconds": "a whole number from 1 to 900",
	"hours": "either {always: true} or {timezone, days (Monday to Sunday), start, end (hours, 0 to 24, start before end)}",
	"grants": "a list of {tools, actions, namespaces}, each a list of words",
	"environment": concat("", [
		"{actions, replica_cap, business_hours, approval: {write, destructive}}, where an approval is none or ",
		"{groups, quorum (from 1), ttl_seconds (1 to 604800), evidence (", concat(", ", evidence_classes), ")}",
	]),
}

data_fits("actions", value) if {
	is_object(value)
	every risk in value {
		risk in {"read", "write", "destructive"}
	}
}

data_fits("texts", value) if is_texts(value)

data_fits("object", value) if is_object(value)

data_fits("count", value) if is_count(value)

data_fits("seconds", value) if {
	is_count(value)
	value >= 1
	value <= 900
}

data_fits("hours", {"always": true})

data_fits("hours", value) if {
	is_object(value)
	object.keys(value) == {"timezone", "days", "start", "end"}
	is_timezone(value.timezone)
	is_texts(value.days)
	every day in value.days {
		day in {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	}
	is_count(value.start)
	is_count(value.end)
	value.start < value.end
	value.end <= 24
}

# Asking for the time there fails for a timezone that does not exist.
is_timezone(value) if {
	is_text(value)
	time.clock([0, value])
}

is_grants(value) if {
	is_array(value)
	every grant in value {
		is_object(grant)
		object.keys(grant) == {"tools", "actions", "namespaces"}
		every list in grant {
			is_strings(list)
		}
	}
}

is_environment(value) if {
	is_object(value)
	object.keys(value) == {"actions", "replica_cap", "business_hours", "approval"}
	is_texts(value.actions)
	is_count(value.replica_cap)
	is_boolean(value.business_hours)
	is_object(value.approval)
	object.keys(value.approval) == {"write", "destructive"}
	every approval in value.approval {
		is_approval(approval)
	}
}

is_approval("none")

is_approval(value) if is_terms(value)
