package compat

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
)

// example puts the stored entries together.
func example(t *testing.T) sallyport.Record {
	t.Helper()
	var r sallyport.Record
	_, entries := storedEntries(t)
	for _, e := range entries {
		if e.Kind.OfFreeze() {
			continue
		}
		var err error
		if r, err = r.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// sealedCall is the example as the agent sent it, with an argument that the
// ledger must not store.
func sealedCall(t *testing.T) (sallyport.Call, sallyport.Intent) {
	t.Helper()
	r := example(t)
	arguments, seal := json.RawMessage(`{"name":"api","token":"s3cr3t"}`), []byte(strings.Repeat("s", 32))
	r.Call.Arguments, r.Call.Seal = arguments, seal
	r.Intent.Arguments, r.Intent.Seal = arguments, seal
	return r.Call, *r.Intent
}

// written is the JSON that digests are over.
func written(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDigests pins digests of examples, with the bytes that they are over.
func TestDigests(t *testing.T) {
	r := example(t)
	call, intent := sealedCall(t)
	vote := r.Votes[0]
	lines := []string{
		"digest of the parts a and bc: " + string(sallyport.NewDigest("example", []byte("a"), []byte("bc"))),
		"call id: " + sallyport.CallID([16]byte{1, 2, 255}),
		"intent: " + written(t, r.Intent),
		"intent digest: " + string(r.Intent.Digest()),
		"intent with a seal, digest: " + string(intent.Digest()),
		"intent with a seal, stored: " + written(t, intent.Redacted()),
		"call with a seal, stored: " + written(t, call.Redacted()),
		"plan: " + written(t, r.Plan),
		"plan digest: " + string(r.Plan.Digest()),
		"terms: " + written(t, r.Ballot.Terms),
		"ballot digest: " + string(r.Ballot.Digest()),
		"nonce of a vote: " + sallyport.VoteNonce(vote.Verdict, vote.Ballot),
		"key of evidence that is a token: " + vote.Evidence.Key(),
		"key of evidence that is a signal: " + r.Refusals[0].Evidence.Key(),
		"search for a long text: " + sallyport.Searchable(strings.Repeat("x", 300)),
	}
	_, entries := storedEntries(t)
	for _, e := range entries {
		for _, term := range e.Terms() {
			lines = append(lines, fmt.Sprintf("search term of a %s: %s", e.Kind, term))
		}
	}
	pinned{
		"digests.golden", "Digests of the entries in entries.jsonl with the bytes that they are over",
		"votes do not fit their ballots, plans and intents that were approved or recorded count as changed, and searches find no earlier calls",
	}.hold(t, lines)
}

// TestSignatures pins the signed form of a call and of a vote, byte by byte.
func TestSignatures(t *testing.T) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
	signer, err := jws.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().(ed25519.PublicKey)
	id, err := jws.KeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	call, _ := sealedCall(t)
	signed, err := signer.SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	var a sallyport.Attestation
	const vote = `{"call_id":"aebagbafaydqqcikbmga2dqpca","account":{"issuer":"https://people.example","subject":"bob"},"paper":{"verdict":"approve","ballot":"sha256:a10e415df6c15acd6a7eefadae443698a74bb1f1b677efc56e46ebee2a69b9fc","reason":"looks <right>"},"id_token":"header.payload.signature","at":"2026-11-21T22:00:04.5Z"}`
	if err := strict.Decode([]byte(vote), &a); err != nil {
		t.Fatal(err)
	}
	attested, err := signer.SignAttestation(a)
	if err != nil {
		t.Fatal(err)
	}
	pinned{
		"signatures.golden", "A call and a vote as the API signs them, and the id of the key",
		"calls and votes that are signed are refused, and workflows that wait can't run",
	}.hold(t, []string{"key: " + id, "call: " + string(signed), "vote: " + attested})
}

const tinyPolicy = `package sallyport

decision := {"effect": "deny", "reasons": [{"code": "no", "message": "no"}]}

visible := false

approver := [{"code": "no", "message": "no"}]
`

// TestPolicyDocuments pins the input documents of policies, the digest of an
// input, and the revision of a policy.
func TestPolicyDocuments(t *testing.T) {
	r, policy := example(t), fstest.MapFS{"a.rego": {Data: []byte(tinyPolicy)}, "data.yaml": {Data: []byte("limit: 1\n")}}
	q := sallyport.Question{Intent: *r.Intent, Plan: r.Plan, Now: r.Call.ReceivedAt}
	if err := strict.Decode([]byte(`{"calls_last_minute":1,"calls_last_hour":2,"same_arguments_last_hour":3,"denied_last_hour":4}`), &q.History); err != nil {
		t.Fatal(err)
	}
	e, err := opa.New(t.Context(), opa.Options{Embedded: policy, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := e.Decide(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"revision: " + e.Revision(), "digest of the input: " + string(d.Input)}
	input, err := opa.Input(q)
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, leavesOf(t, "decision: input", input)...)
	input, err = opa.VoteInput(sallyport.VoteQuestion{
		Person: sallyport.Person{ID: "bob", Groups: []string{"sre"}}, Evidence: r.Votes[0].Evidence.Class, Intent: *r.Intent, Decision: *r.Decision,
	})
	if err != nil {
		t.Fatal(err)
	}
	pinned{
		"policy.golden", "Documents that policies are asked with, in an example, and digests over them and over a policy",
		"policies of operators decide wrongly or not at all, and recorded decisions can't be made again from their input",
	}.hold(t, append(lines, leavesOf(t, "vote: input", input)...))
}

// leavesOf lists the members of a document with their values.
func leavesOf(t *testing.T, path string, v any) []string {
	t.Helper()
	var lines []string
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			lines = append(lines, leavesOf(t, path+"."+name, below)...)
		}
		slices.Sort(lines)
	case []any:
		for i, below := range v {
			lines = append(lines, leavesOf(t, fmt.Sprintf("%s[%d]", path, i), below)...)
		}
	}
	if len(lines) == 0 {
		lines = []string{path + " = " + written(t, v)}
	}
	return lines
}

// TestManifests pins the digests of manifests, which intents name, and the names
// of the built-in tools, by which agents call them.
func TestManifests(t *testing.T) {
	files := fstest.MapFS{}
	for i, text := range strings.Split(manifests, "---\n") {
		files[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	examples, err := tools.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range []string{"example_sandbox", "example_kube"} {
		m, ok := examples.Manifest(name)
		if !ok {
			t.Fatalf("there is no manifest %s", name)
		}
		lines = append(lines, fmt.Sprintf("digest of %s: %s", name, m.Digest()), fmt.Sprintf("schema of %s: %s", name, m.Schema()))
	}
	builtin, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range builtin.Tools() {
		lines = append(lines, "built-in tool "+tool.Name)
	}
	pinned{
		"manifests.golden", "Digests of two manifests, and names of the built-in tools",
		"calls that wait count as calls of a tool that changed, or agents do not find their tools",
	}.hold(t, lines)
}

const manifests = `name: example_sandbox
title: An example
description: Of a tool in the sandbox.
input_schema:
  type: object
  additionalProperties: false
  required: [namespace, name]
  properties:
    namespace: {type: string, pattern: "^[a-z]+$"}
    name: {type: string, pattern: "^[a-z]+$"}
    token: {type: string}
mapping: {action: scale, resource: deployment, namespace: $.namespace, name: $.name}
risk: {read_only: false, destructive: true}
plan: always
runner: sandbox
limits: {timeout: 30s, memory_mib: 128, processes: 64, output_bytes: 65536}
permissions: {git: write}
egress: ["https://status.example.com/"]
redact: {arguments: [/token], result: [/log]}
---
name: example_kube
title: An example
description: Of an image as a tool.
input_schema:
  type: object
  additionalProperties: false
  required: [namespace, name]
  properties:
    namespace: {type: string, pattern: "^[a-z]+$"}
    name: {type: string, pattern: "^[a-z]+$"}
mapping: {action: restart, resource: deployment, namespace: $.namespace, name: $.name}
risk: {read_only: false, destructive: false}
plan: never
runner: kube
limits: {timeout: 2m, memory_mib: 256, processes: 64, output_bytes: 65536}
permissions:
  kubernetes:
    - {group: apps, resource: deployments, verbs: [get, patch], for: deployment, when: run}
    - {group: "", resource: pods, verbs: [list], objects: all}
container:
  image: registry.example.com/tool@sha256:0000000000000000000000000000000000000000000000000000000000000000
  command: [/tool]
  args: ["--name=${name}"]
  env: {MODE: fast}
  runtime_class: gvisor
network:
  - {cidr: 192.0.2.0/24, port: 443, protocol: TCP}
`
