package sallyport

# What values can be. Rego orders values of different types (null < false <
# numbers < strings), so that a comparison alone lets null and false pass as
# small numbers; and a rule about strings says nothing of lists of them.

is_text(value) if {
	is_string(value)
	value != ""
}

is_strings(value) if {
	is_array(value)
	every item in value {
		is_string(item)
	}
}

is_texts(value) if {
	is_array(value)
	every item in value {
		is_text(item)
	}
}

is_count(value) if {
	is_number(value)
	value >= 0
	value == floor(value)
}

# A tool that is built in has none; any other is named by digest.
is_image("")

is_image(value) if {
	is_string(value)
	regex.match(`^[^@[:space:]]+@sha256:[0-9a-f]{64}$`, value)
}

# RFC 3339 in UTC, from 2000 to 2099.
is_time(value) if {
	is_string(value)
	regex.match(`^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,9})?Z$`, value)
}

# Before planning, and for tools that plan nothing, there is none.
is_plan(null)

is_plan(value) if {
	is_object(value)
	is_text(value.digest)
	is_array(value.changes)
	every change in value.changes {
		is_string(change.path)
	}
}

# The classes of evidence, as the gateway has them. A test compares the two.
evidence_classes := ["temporal-principal", "idp-signed", "api-attested"]

# The conditions of an approval.
is_terms(value) if {
	is_object(value)
	object.keys(value) == {"groups", "quorum", "ttl_seconds", "evidence"}
	is_texts(value.groups)
	count(value.groups) > 0
	is_count(value.quorum)
	value.quorum >= 1
	is_count(value.ttl_seconds)
	value.ttl_seconds >= 1
	value.ttl_seconds <= 604800
	is_texts(value.evidence)
	count(value.evidence) > 0
	every class in value.evidence {
		class in evidence_classes
	}
}
