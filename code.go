package sallyport

// Code is one machine-readable code: the "code" of a problem, of a call's error,
// of a vote's refusal or of a reason. A code never changes its name or its
// meaning, because ledgers keep it and clients compare it.
type Code struct {
	Name string
	// Statuses are those of the HTTP answers that carry the code. 200 says that it
	// stands in the member "error" of a call. There are none for a code that only
	// logs and the ledger show.
	Statuses []int
	Retry    Retry
	Cause    string // what happened, in Markdown
	Remedy   string // what to do, in Markdown
}

// Retry says whether it helps to send a request again.
type Retry int

// What helps.
const (
	RetryChanged Retry = iota // change something first: the remedy says what
	RetryLater                // send the same request again, after Retry-After or some seconds
	RetryNever                // nothing to send: the answer stays the same, or nothing is missing
	RetryLook                 // look at the target first: the call may have had its effect
)

// explain makes a code's entry.
func explain(name string, r Retry, statuses []int, cause, remedy string) Code {
	return Code{Name: name, Statuses: statuses, Retry: r, Cause: cause, Remedy: remedy}
}

// The constants are all codes that Sallyport makes itself. Policies of an operator
// make others. [CodeGroups] has the cause and the remedy of each.

// Codes of identity and access.
const (
	CodeNoToken           = "no_token"
	CodeBadToken          = "bad_token"
	CodeExpiredToken      = "expired_token"
	CodeOtherAudience     = "other_audience"
	CodeUnknownIssuer     = "unknown_issuer"
	CodeUnknownSubject    = "unknown_subject"
	CodeDelegatedToken    = "delegated_token"
	CodeIssuerUnavailable = "issuer_unavailable"
	CodeNotAnAgent        = "not_an_agent"
	CodeForeignSite       = "foreign_site"
	CodeNotAPerson        = "not_a_person"
	CodeNotAnOperator     = "not_an_operator"
	CodeNotAnAuditor      = "not_an_auditor"
	CodeNotYours          = "not_yours"
)

// Codes of requests that were not carried out.
const (
	CodeRateLimited          = "rate_limited"
	CodeTooManyRunning       = "too_many_running"
	CodeOverloaded           = "overloaded"
	CodeTooManyWaiting       = "too_many_waiting"
	CodeTooManyBytes         = "too_many_bytes"
	CodeTooLarge             = "too_large"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeNoRoute              = "no_route"
	CodeBadBody              = "bad_body"
	CodeBadJSON              = "bad_json"
	CodeBadRequest           = "bad_request"
	CodeBadQuery             = "bad_query"
	CodeBadCursor            = "bad_cursor"
	CodeBadLimit             = "bad_limit"
	CodeBadIdempotencyKey    = "bad_idempotency_key"
	CodeIdempotencyMismatch  = "idempotency_mismatch"
	CodeSameCall             = "same_call"
	CodeNoCall               = "no_call"
	CodeErased               = "erased"
	CodeEnded                = "ended"
	CodeNoFreeze             = "no_freeze"
	CodeUnknownScope         = "unknown_scope"
	CodeLifted               = "lifted"
	CodeNoTile               = "no_tile"
	CodeNotSignedYet         = "not_signed_yet"
	CodeNotStarted           = "not_started"
	CodeNotReady             = "not_ready"
	CodeHungUp               = "hung_up"
	CodeTimedOut             = "timed_out"
	CodeUnavailable          = "unavailable"
	CodeLedgerUnavailable    = "ledger_unavailable"
	CodeInternal             = "internal"
)

// Codes of calls that did not run.
const (
	CodeUnknownTool      = "unknown_tool"
	CodeInvalidArguments = "invalid_arguments"
	CodeOtherManifest    = "other_manifest"
	CodeUnknownAgent     = "unknown_agent"
	CodeDenied           = "denied"
	CodeNoDecision       = "no_decision"
	CodeFrozen           = "frozen"
	CodeRejected         = "rejected"
	CodeExpired          = "expired"
	CodeCancelled        = "cancelled"
	CodeWorkflowLost     = "workflow_lost"
	CodeDrift            = "drift"
	CodeOtherPlan        = "other_plan"
	CodeOtherCall        = "other_call"
	CodeOtherAgent       = "other_agent"
	CodeNotAsked         = "not_asked"
	CodeNotPlanned       = "not_planned"
	CodeNoBallot         = "no_ballot"
	CodeNoQuorum         = "no_quorum"
	CodeNotApproved      = "not_approved"
	CodeNoPermit         = "no_permit"
	CodeNoRunner         = "no_runner"
	CodeNotRedactable    = "not_redactable"
	CodeEntryTooLarge    = "entry_too_large"
)

// Codes of votes that did not count.
const (
	CodeNotWaiting      = "not_waiting"
	CodeOtherBallot     = "other_ballot"
	CodeBadEvidence     = "bad_evidence"
	CodeOwnAgent        = "own_agent"
	CodeAlreadyVoted    = "already_voted"
	CodeEvidenceTooWeak = "evidence_too_weak"
	CodeNotEligible     = "not_eligible"
)

// Codes of runs, wherever they run.
const (
	CodeInterrupted        = "interrupted"
	CodeTimeout            = "timeout"
	CodeOutOfMemory        = "out_of_memory"
	CodeOutputTooLarge     = "output_too_large"
	CodeBadOutput          = "bad_output"
	CodeCrashed            = "crashed"
	CodeKilled             = "killed"
	CodeSandboxUnavailable = "sandbox_unavailable"
	CodeNoExecutor         = "no_executor"
	CodeNoCgroup           = "no_cgroup"
	CodeNoDescriptors      = "no_descriptors"
	CodeNoStatus           = "no_status"
)

// Codes of runs on a Git repository.
const (
	CodeConflict           = "conflict"
	CodePreconditionFailed = "precondition_failed"
	CodeNotFound           = "not_found"
	CodeFileTooLarge       = "file_too_large"
	CodeBadTarget          = "bad_target"
	CodeResultWithheld     = "result_withheld"
	CodeNoChange           = "no_change"
	CodeOtherChange        = "other_change"
	CodeOtherFile          = "other_file"
	CodeReadOnly           = "read_only"
	CodeAlreadyCommitted   = "already_committed"
	CodeCommitFailed       = "commit_failed"
	CodeRepositoryBusy     = "repository_busy"
	CodeRepository         = "repository"
	CodeNoRepository       = "no_repository"
	CodeNoBranch           = "no_branch"
	CodeSymbolicBranch     = "symbolic_branch"
	CodeHistoryTooLong     = "history_too_long"
)

// Codes of runs in Kubernetes.
const (
	CodeExitCode              = "exit_code"
	CodeImageUnavailable      = "image_unavailable"
	CodeUnschedulable         = "unschedulable"
	CodeContainerFailed       = "container_failed"
	CodePodRefused            = "pod_refused"
	CodeEvicted               = "evicted"
	CodeNodeLost              = "node_lost"
	CodePodLost               = "pod_lost"
	CodeNotBegun              = "not_begun"
	CodeNotSeen               = "not_seen"
	CodeOtherJob              = "other_job"
	CodeKubernetesUnavailable = "kubernetes_unavailable"
	CodeKubernetesRefused     = "kubernetes_refused"
	CodeNamespaceNotServed    = "namespace_not_served"
	CodeNoPlan                = "no_plan"
	CodeImageUnverified       = "image_unverified"
	CodeImageUnsigned         = "image_unsigned"
	CodeImageSignatureInvalid = "image_signature_invalid"
	CodeRegistryUnavailable   = "registry_unavailable"
	CodeBadImage              = "bad_image"
)

// Codes of built-in tools.
const (
	CodeUnknownContainer  = "unknown_container"
	CodeBadManifest       = "bad_manifest"
	CodeWrongKind         = "wrong_kind"
	CodeOtherNamespace    = "other_namespace"
	CodeUnsupportedLayout = "unsupported_layout"
	CodeUnreachable       = "unreachable"
	CodeEgressDenied      = "egress_denied"
	CodeForbidden         = "forbidden"
	CodeNotApplicable     = "not_applicable"
	CodeReadsSecrets      = "reads_secrets"
	CodeOtherAccount      = "other_account"
	CodeHostAccess        = "host_access"
	CodeMoved             = "moved"
)

// Codes that the ledger refuses an entry with.
const (
	CodeBadEntry       = "bad_entry"
	CodeNotReceived    = "not_received"
	CodeRepeated       = "repeated"
	CodeAsked          = "asked"
	CodeStarted        = "started"
	CodeStopped        = "stopped"
	CodeNotEnded       = "not_ended"
	CodeNotFrozen      = "not_frozen"
	CodeBadOutcome     = "bad_outcome"
	CodeNoSuchCall     = "no_such_call"
	CodeNoSuchFreeze   = "no_such_freeze"
	CodeLedgerTampered = "ledger_tampered"
	CodeBadStore       = "bad_store"
	CodeBadProjection  = "bad_projection"
)

// Codes of faults within the gateway, and of notifications.
const (
	CodeUnsignedCall        = "unsigned_call"
	CodeUnsignedAttestation = "unsigned_attestation"
	CodeUnsignable          = "unsignable"
	CodeNotSigned           = "not_signed"
	CodeNotEncoded          = "not_encoded"
	CodeNoRandom            = "no_random"
	CodeNoRandomness        = "no_randomness"
	CodeIDDrawnTwice        = "id_drawn_twice"
	CodeBadAccount          = "bad_account"
	CodeBadIdentity         = "bad_identity"
	CodeSchema              = "schema"
	CodeNoTime              = "no_time"
	CodeNoWorkflow          = "no_workflow"
	CodeUnknownPerson       = "unknown_person"
	CodeBadNotification     = "bad_notification"
	CodeReceiverRefused     = "receiver_refused"
	CodeReceiverFailed      = "receiver_failed"
	CodeReceiverUnreachable = "receiver_unreachable"
)

// Codes of programs that do not start, or keep what they had.
const (
	CodeBadOptions       = "bad_options"
	CodeBadIdentityTable = "bad_identity_table"
	CodeNoHostname       = "no_hostname"
	CodeNoCluster        = "no_cluster"
)
