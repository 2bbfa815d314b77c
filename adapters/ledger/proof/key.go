package proof

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ParseVerifier reads the public key of a log, in the signed-note form
// name+hash+base64.
func ParseVerifier(public string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return nil, fmt.Errorf("%q is not a ledger's public key, which reads name+hash+base64", public)
	}
	return v, nil
}

// Verifiers makes a list of public keys, in the form that [ParseVerifier] reads.
func Verifiers(public ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, p := range public {
		v, err := ParseVerifier(p)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}
