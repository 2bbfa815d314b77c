// Package sallyport holds the words and the seams of a gateway that every
// tool call of an AI agent must pass.
//
// A sally port is a guarded entryway with two doors that are never open at
// once. A call goes in one side, is identified, validated, judged, if need be
// approved by a human, run in a throw-away place with credentials made for it
// alone, and written into a log that nobody can quietly change.
//
// The words are types that follow each other, and each stage takes what the
// earlier stages made:
//
//	Call → Intent → Decision → [Plan → Ballot → Vote…] → Permit → Outcome
//
// A [Call] is what an authenticated agent asked. An [Intent] is the call made
// precise by the catalogue of tools. A [Decision] is what policy says of it.
// Where policy asks for a human, a [Plan] says what would change, a [Ballot]
// is what people vote on, and a [Vote] is one verified person's yes or no. A
// [Permit] says that all of these belong together and still hold; it exists
// only in memory, and nothing runs without one. An [Outcome] is how the call
// ended. Every step is an [Entry] in the ledger, and a [Record] is what a
// call's entries add up to.
//
// The seams are small interfaces: [Identifier], [Directory], [Decider],
// [Runner], [Reconciler], [Recorder], [Notifier] and the like. Adapters implement them in
// packages named by what they adapt to. This package imports the standard
// library alone and reads no clock: time is always a parameter.
package sallyport
