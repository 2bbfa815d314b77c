// Package sallyport holds the types and the interfaces of a gateway that every
// tool call of an AI agent must pass.
//
// A sally port is a guarded entryway with two doors that are never open at
// once. A call goes in one side, is identified, validated, evaluated by policy,
// approved by people where policy asks for it, run in a throw-away place with
// credentials made for it alone, and written into a tamper-evident log.
//
// The stages of a call are types, and each stage takes the results of the
// earlier ones:
//
//	Call → Intent → Decision → [Plan → Ballot → Vote…] → Permit → Outcome
//
// The interfaces are small. Adapters implement them in packages that are named
// by the system that they adapt. This package imports the standard library alone and reads
// no clock: time is always a parameter.
//
// # Reading order
//
// A file names only its own declarations and those of the files before it.
// The stages share these:
//
//   - digest.go: a [Digest], the SHA-256 by which one thing names another
//   - code.go: a [Code], the stable name of one cause
//   - error.go: an [Error], with a kind and a stable code
//   - text.go: untrusted text, made safe for terminals and markdown
//   - difference.go: how two values differ, for people to read
//   - redact.go: arguments and results that are stored nowhere
//   - finder.go: many texts found in one pass over another
//   - spell.go: the spellings in which a redacted value is looked for
//   - scrub.go: [Secrets], the search for them
//   - trace.go: a [TraceContext], the place of a call in a distributed trace
//
// These are the stages of a call, each a type or a few:
//
//   - identity.go: an [Agent] and a [Person], and the accounts that they have
//   - tool.go: a [Tool] of the catalogue
//   - call.go: a [Call], the request of an authenticated agent
//   - intent.go: an [Intent], the call made precise by the catalogue
//   - evidence.go: the classes of [Evidence] from which votes are verified
//   - decision.go: a [Decision] of policy about an intent, with the [Terms]
//     of an approval where policy asks people
//   - plan.go: a [Plan], the changes that the intent would make
//   - ballot.go: a [Ballot], the question that people vote on
//   - vote.go: a [Vote], one verified person's verdict, and the [Tally]
//   - permit.go: a [Permit], made only where all of these belong together and
//     still hold; it exists in memory alone, and nothing runs without one
//   - run.go: a [Start] and a [Placement] of the run, and a [Stop] from outside
//   - outcome.go: an [Outcome], how the call ended, and the states of a call
//
// This is how the ledger keeps them:
//
//   - freeze.go: a [Freeze], the kill switch for an agent, a tool or a namespace
//   - entry.go: an [Entry], one step of a call or of a freeze
//   - receipt.go: a [Receipt], the place of an entry in the ledger
//   - sequence.go: a [Sequence], what may follow what
//   - record.go: a [Record], the sum of a call's entries
//   - summary.go: a [Summary], a record without what can be large
//   - search.go: a [Query] for calls, and the search terms of an entry
//   - notification.go: a [Notification] about a call's wait for people
//
// The adapters implement these:
//
//   - seams.go: [Identifier], [Directory], [Decider], [Runner], [Recorder],
//     [Notifier] and the other interfaces, with their contracts
//
// These say of each code what happened and what to do. The page
// docs/reference/errors.md is made of them:
//
//   - remedy_requests.go: requests that the API did not carry out
//   - remedy_calls.go: calls that did not run, and votes that did not count
//   - remedy_runs.go: runs, and commits to a Git repository
//   - remedy_kubernetes.go: runs in Kubernetes
//   - remedy_tools.go: the built-in tools and the built-in policy
//   - remedy_log.go: codes that stand in logs alone
//   - remedy.go: all of them, by subject
//
// What is stored nowhere is left out of all of these by one type:
//
//   - redactor.go: a [Redactor], which every entry passes before it is recorded
package sallyport
