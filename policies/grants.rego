package sallyport

# Least privilege: an agent may make only the calls that a grant covers, and sees
# only their tools.

deny contains {
	"code": "not_granted",
	"message": "no grant of this agent covers this tool, action and namespace together",
} if {
	not granted
}

granted if {
	some grant in grants
	covers(grant.tools, input.tool.name)
	covers(grant.actions, input.action)
	covers(grant.namespaces, input.namespace)
}

grants contains grant if some grant in data.grants.agents[input.agent.id]

grants contains grant if {
	some group in input.agent.groups
	some grant in data.grants.groups[group]
}

covers(list, _) if "*" in list

covers(list, value) if value in list

# METADATA
# title: Whether an agent may know of a tool
# description: Total. The gateway asks for data.sallyport.visible.
# entrypoint: true
default visible := false

visible if {
	some grant in grants
	covers(grant.tools, input.tool.name)
	some action in actions_of_tool
	covers(grant.actions, action)
}

# The actions that a tool may have: its manifest and data must agree.
actions_of_tool contains action if {
	some action, "read" in data.actions
	only_reads
}

actions_of_tool contains action if {
	some action, risk in data.actions
	risk != "read"
	not only_reads
}
