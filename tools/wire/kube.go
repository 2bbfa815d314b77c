package wire

// In Kubernetes the executor is the only process of a pod. Its request comes
// in the environment, and its response goes to its standard output, as the
// last line; where there is a ReplyURL, it is posted there first, so that
// nobody has to wait until the pod's end is known.
const (
	// EnvRequest holds the Request as JSON.
	EnvRequest = "SALLYPORT_REQUEST"
	// EnvLease names, as <namespace>/<name>, the Lease that the executor must
	// hold before it acts: it takes it by setting spec.holderIdentity from ""
	// to its pod's UID, in one step. Unset for what only reads.
	EnvLease = "SALLYPORT_LEASE"
	// EnvPodUID holds the UID of the pod.
	EnvPodUID = "SALLYPORT_POD_UID"
	// EnvReplyURL is where the worker that waits takes the response: an https
	// URL, to which it is posted with the token in ReplyTokenFile as bearer.
	// 204 says that it was taken. Unset where nobody waits.
	EnvReplyURL = "SALLYPORT_REPLY_URL"
	// EnvReplyCA holds the PEM of the one certificate that signs the worker's.
	EnvReplyCA = "SALLYPORT_REPLY_CA"

	// ReplyTokenFile holds the token for this one reply.
	ReplyTokenFile = "/var/run/secrets/sallyport/token" //nolint:gosec // a path
	// APITokenFile and APICAFile are the way to the API server, whose address
	// stands in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
	APITokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path
	APICAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// Annotations that a write leaves on its object, so that its effect can be
// found again.
const (
	AnnotationCall   = "sallyport.dev/call"   // the call's id
	AnnotationIntent = "sallyport.dev/intent" // the digest of its intent
)
