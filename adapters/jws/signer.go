package jws

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Signer signs for the API. It is safe for concurrent use.
type Signer struct {
	calls jose.Signer
	votes jose.Signer
}

// NewSigner signs with an Ed25519 key.
func NewSigner(key ed25519.PrivateKey) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("an Ed25519 private key has %d bytes, not %d", ed25519.PrivateKeySize, len(key))
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the Ed25519 private key has no public key")
	}
	kid, err := KeyID(public)
	if err != nil {
		return nil, err
	}
	calls, err := newJOSESigner(key, kid, typCall)
	if err != nil {
		return nil, err
	}
	votes, err := newJOSESigner(key, kid, typVote)
	if err != nil {
		return nil, err
	}
	return &Signer{calls: calls, votes: votes}, nil
}

func newJOSESigner(key ed25519.PrivateKey, kid, typ string) (jose.Signer, error) {
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)),
	)
	if err != nil {
		return nil, fmt.Errorf("a signer of %s: %w", typ, err)
	}
	return s, nil
}

// SignCall signs a call that is complete and whose arguments are canonical,
// so that verifying returns the very same call. Times become UTC. Any
// error is of kind [sallyport.Internal]: the API made the call.
func (s *Signer) SignCall(c sallyport.Call) (sallyport.SignedCall, error) {
	c.ReceivedAt = c.ReceivedAt.Round(0).UTC()
	if err := checkCall(c); err != nil {
		return "", unsignable("call", err)
	}
	token, err := sign(s.calls, c)
	if err != nil {
		return "", unsignable("call", err)
	}
	return sallyport.SignedCall(token), nil
}

// SignAttestation signs what the API saw of a vote. Times become UTC. Any
// error is of kind [sallyport.Internal].
func (s *Signer) SignAttestation(a sallyport.Attestation) (string, error) {
	a.At = a.At.Round(0).UTC()
	if err := checkAttestation(a); err != nil {
		return "", unsignable("attestation", err)
	}
	token, err := sign(s.votes, a)
	if err != nil {
		return "", unsignable("attestation", err)
	}
	return token, nil
}

func sign(s jose.Signer, v any) (string, error) {
	payload, err := strict.Canonical(v)
	if err != nil {
		return "", err
	}
	signature, err := s.Sign(payload)
	if err != nil {
		return "", err
	}
	token, err := signature.CompactSerialize()
	if err != nil {
		return "", err
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("it would be longer than %d bytes", maxToken)
	}
	return token, nil
}

func unsignable(what string, err error) error {
	return sallyport.Errorf(sallyport.Internal, sallyport.CodeUnsignable, "this %s can't be signed: %w", what, err)
}

// checkCall rejects a call that a verifier would not return unchanged.
func checkCall(c sallyport.Call) error {
	switch {
	case !sallyport.ValidCallID(c.ID):
		return fmt.Errorf("%q is no call id", c.ID)
	case c.AgentID == "", c.Account.Issuer == "", c.Account.Subject == "":
		return errors.New("it does not say whose it is")
	case c.Tool == "":
		return errors.New("it names no tool")
	case c.ReceivedAt.IsZero(), c.ReceivedAt.Location() != time.UTC:
		return errors.New("it does not say in UTC when it was received")
	}
	canonical, err := strict.JSON(c.Arguments, strict.TakenLimits)
	if err != nil {
		return fmt.Errorf("its arguments: %w", err)
	}
	if !bytes.Equal(canonical, c.Arguments) || canonical[0] != '{' {
		return errors.New("its arguments are not a JSON object in canonical form (RFC 8785)")
	}
	return nil
}

func checkAttestation(a sallyport.Attestation) error {
	switch {
	case !sallyport.ValidCallID(a.CallID):
		return fmt.Errorf("%q is no call id", a.CallID)
	case a.Account.Issuer == "", a.Account.Subject == "":
		return errors.New("it does not say whose vote it is")
	case a.Paper.Verdict != sallyport.Approve && a.Paper.Verdict != sallyport.Reject:
		return fmt.Errorf("%q is no verdict", a.Paper.Verdict)
	case !a.Paper.Ballot.Valid():
		return fmt.Errorf("%q is no ballot's digest", a.Paper.Ballot)
	case a.At.IsZero(), a.At.Location() != time.UTC:
		return errors.New("it does not say in UTC when the vote was seen")
	}
	return nil
}
