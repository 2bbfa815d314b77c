package sallyport

# Every member of the input has a type. A call with a missing member, or one of
# another type, is denied before any rule could misread it.

deny contains {
	"code": "bad_input",
	"message": sprintf("%s is missing or not %s", [concat("/", array.concat([""], member.path)), member.type]),
} if {
	some member in input_members
	not input_fits(member.type, object.get(input, member.path, missing))
}

# The value of a member that is missing; it fits no type.
missing := {"missing"}

input_members := [
	{"path": ["agent", "id"], "type": "text"},
	{"path": ["agent", "issuer"], "type": "text"},
	{"path": ["agent", "owner"], "type": "text"},
	{"path": ["agent", "groups"], "type": "texts"},
	{"path": ["call", "id"], "type": "text"},
	{"path": ["call", "claimed", "reason"], "type": "string"},
	{"path": ["call", "claimed", "session"], "type": "string"},
	{"path": ["call", "claimed", "task"], "type": "string"},
	{"path": ["tool", "name"], "type": "text"},
	{"path": ["tool", "digest"], "type": "text"},
	{"path": ["tool", "read_only"], "type": "boolean"},
	{"path": ["tool", "destructive"], "type": "boolean"},
	{"path": ["tool", "image"], "type": "image"},
	{"path": ["action"], "type": "text"},
	{"path": ["resource"], "type": "text"},
	{"path": ["namespace"], "type": "string"},
	{"path": ["name"], "type": "string"},
	{"path": ["arguments"], "type": "object"},
	{"path": ["time"], "type": "time"},
	{"path": ["plan"], "type": "plan"},
	{"path": ["history", "calls_last_minute"], "type": "count"},
	{"path": ["history", "calls_last_hour"], "type": "count"},
	{"path": ["history", "same_arguments_last_hour"], "type": "count"},
	{"path": ["history", "denied_last_hour"], "type": "count"},
]

input_fits("string", value) if is_string(value)

input_fits("text", value) if is_text(value)

input_fits("texts", value) if is_texts(value)

input_fits("boolean", value) if is_boolean(value)

input_fits("object", value) if is_object(value)

input_fits("count", value) if is_count(value)

input_fits("image", value) if is_image(value)

input_fits("time", value) if is_time(value)

input_fits("plan", value) if is_plan(value)
