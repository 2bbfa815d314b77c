package sallyport

//go:generate go test ./docs -run TestErrorsPage -update

// CodeGroup are codes about one subject.
type CodeGroup struct {
	Title string
	About string // introduction for readers, in Markdown
	Codes []Code
}

// CodeGroups are all codes that Sallyport makes. Policies of an operator make
// others.
func CodeGroups() []CodeGroup {
	return []CodeGroup{
		{"Identity and access", aboutIdentity, identityCodes()},
		{"Requests", aboutRequests, requestCodes()},
		{"Calls that did not run", aboutCalls, callCodes()},
		{"Votes", aboutVotes, voteCodes()},
		{"Runs", aboutRuns, runCodes()},
		{"Runs in Kubernetes", aboutKubernetes, kubernetesCodes()},
		{"Runs on a Git repository", aboutGit, gitCodes()},
		{"Built-in tools", aboutTools, toolCodes()},
		{"Built-in policy", aboutPolicy, policyCodes()},
		{"Ledger and log", aboutLog, logCodes()},
	}
}

const (
	aboutIdentity = "Answers to a token that does not suffice. The path and the identity table " +
		"(`identities` in the configuration) say which token does."
	aboutRequests = "Answers of the API to a request that it did not carry out. A `POST /v1/calls` that is answered so has made no call, " +
		"unless the answer has a `call_id`."
	aboutCalls = "The call ended before its tool started: nothing was changed. `POST /v1/calls` answers with a problem; " +
		"`GET /v1/calls/{id}` answers 200 and has the code in `error`."
	aboutVotes = "The vote did not count and changed nothing; the call still waits. It is recorded on the call as a refusal."
	aboutRuns  = "The tool was about to run, or ran. Where the call is `failed`, nothing was changed, or the tool itself says how far it came. " +
		"Where it is `ambiguous` (502), its effect may be there: look at the target before anything is tried again."
	aboutKubernetes = "As for [all runs](#runs). The Job and its pod are in the namespace `kubernetes.namespace`; `kubectl describe` of both says more " +
		"as long as they are kept (`kubernetes.ttl`)."
	aboutGit = "The gateway reads the one file of the call, and after the run commits the content that the tool answered. " +
		"A commit that is refused with a code of this group was not made, unless the call is `ambiguous`."
	aboutTools  = "A built-in tool says these itself: 422 where it could not plan, 200 and `failed` where it could not run."
	aboutPolicy = "Reasons of [the built-in policy](../../policies/README.md). A call or a vote that policy denies has the code of its first reason, " +
		"and all of them in `reasons`. Other policies have codes of their own. Where policy asks for approval, the reason is " +
		"`<namespace>_<class>`, such as `production_write`, and no error."
	aboutLog = "No agent sees these: they are in logs, in the history of a workflow, and in answers of the `ledger` commands. " +
		"An agent sees [`unavailable`](#unavailable) or [`internal`](#internal) instead."
)
