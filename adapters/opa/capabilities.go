package opa

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// capabilities are this version's built-in functions without those that reach
// out or whose result is not determined by their arguments. Of the latter OPA
// marks most, and new ones as they come.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool {
		return b.Nondeterministic || slices.Contains(banned(), b.Name)
	})
	c.AllowNet = []string{}
	return c
}

// banned are the functions that no policy may use whatever OPA says of them.
func banned() []string {
	return []string{
		// They reach out, or read this machine or its clock.
		"http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122",
		// Schemas may refer to other places.
		"json.match_schema", "json.verify_schema",
		// They hold certificates and tokens against the machine's clock.
		"crypto.x509.parse_and_verify_certificates", "crypto.x509.parse_and_verify_certificates_with_options",
		"io.jwt.decode_verify",
		// They sign; a policy has no keys. Signatures may be random.
		"io.jwt.encode_sign", "io.jwt.encode_sign_raw", "providers.aws.sign_req",
		// It writes into query traces, which the engine does not collect.
		"trace",
	}
}
