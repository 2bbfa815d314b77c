// Package wire holds the names under which Temporal knows calls, for the server
// that authorizes requests, the client that starts calls and the workflow. It
// holds no workflow code.
package wire

import enumspb "go.temporal.io/api/enums/v1"

// TaskQueue is where workflows and activities of calls are dispatched.
const TaskQueue = "sallyport"

// ToolCallName is the workflow type of a call.
const ToolCallName = "ToolCall"

// WorkflowIDPrefix and a call's id are the id of its workflow.
const WorkflowIDPrefix = "call-"

// WorkflowID of a call.
func WorkflowID(callID string) string { return WorkflowIDPrefix + callID }

// The names under which votes arrive.
const (
	ApproveSignal = "approve" // from people, in the Temporal UI
	VoteUpdate    = "vote"    // from the API
)

// Search attributes of a call's workflow. They are not encrypted: none of
// them holds an agent's words: a tool or a namespace that no operator named is
// left out.
const (
	StateAttribute     = "SallyportState"
	AgentAttribute     = "SallyportAgent"
	ToolAttribute      = "SallyportTool"
	NamespaceAttribute = "SallyportNamespace"
)

// SearchAttributes are what a namespace must have before a call starts in it.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		StateAttribute:     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		AgentAttribute:     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		ToolAttribute:      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		NamespaceAttribute: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	}
}
