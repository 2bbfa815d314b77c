package wire

// In Kubernetes the executor is the only process of a pod. Its request comes
// in the environment. It writes its response to standard output, as the last
// line, and posts it to the worker's result receiver at EnvReplyURL, so that the
// worker need not wait for the pod's end.
const (
	// EnvRequest holds the Request as JSON.
	EnvRequest = "SALLYPORT_REQUEST"
	// EnvLease names, as <namespace>/<name>, the Lease that the executor must
	// hold before it acts: it acquires it by setting spec.holderIdentity from
	// "" to its pod's UID by compare-and-swap. Unset for tools that only read.
	EnvLease = "SALLYPORT_LEASE"
	// EnvPodUID holds the UID of the pod.
	EnvPodUID = "SALLYPORT_POD_UID"
	// EnvReplyURL is the https URL of the worker's result receiver, to which the
	// executor posts its response with the token in ReplyTokenFile as bearer.
	// Status 204 means accepted. Unset if the worker has no result receiver.
	EnvReplyURL = "SALLYPORT_REPLY_URL"
	// EnvReplyCA holds the certificate of the result receiver as PEM.
	EnvReplyCA = "SALLYPORT_REPLY_CA"

	// ReplyTokenFile holds the token for this one response.
	ReplyTokenFile = "/var/run/secrets/sallyport/token" //nolint:gosec // a path
	// APITokenFile and APICAFile authenticate executor and API server to each
	// other; the API server's address stands in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
	APITokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path
	APICAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// Annotations that a write leaves on its object, so that its effect can be
// found again.
const (
	AnnotationCall   = "sallyport.dev/call"   // the call's id
	AnnotationIntent = "sallyport.dev/intent" // the digest of its intent
)
