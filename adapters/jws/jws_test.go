package jws_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/jws"
)

func newKey(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func newSigner(t *testing.T, key ed25519.PrivateKey) *jws.Signer {
	t.Helper()
	s, err := jws.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newVerifier(t *testing.T, keys ...ed25519.PublicKey) *jws.Verifier {
	t.Helper()
	v, err := jws.NewVerifier(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func someCall() sallyport.Call {
	return sallyport.Call{
		ID:          sallyport.CallID([16]byte{1, 2, 3}),
		AgentID:     "deploy-bot",
		Account:     sallyport.Account{Issuer: "https://agents.example.com", Subject: "deploy-bot"},
		Tool:        "gitops_scale_deployment",
		Arguments:   json.RawMessage(`{"name":"api","replicas":5,"share":0.1}`),
		Stated:      sallyport.Stated{Reason: "latency <b>&\u2028", Session: "s-42"},
		Body:        sallyport.NewDigest("test", []byte("body")),
		ReceivedAt:  time.Date(2026, 11, 21, 22, 0, 0, 123456789, time.UTC),
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
}

func someAttestation() sallyport.Attestation {
	return sallyport.Attestation{
		CallID:  sallyport.CallID([16]byte{1, 2, 3}),
		Account: sallyport.Account{Issuer: "https://people.example.com", Subject: "bob"},
		Paper: sallyport.BallotPaper{
			Verdict: sallyport.Approve,
			Ballot:  sallyport.NewDigest("test", []byte("ballot")),
			Reason:  "looks right",
		},
		At: time.Date(2026, 11, 21, 22, 1, 0, 1, time.UTC),
	}
}

func TestRoundTrip(t *testing.T) {
	public, private := newKey(t)
	signer, verifier := newSigner(t, private), newVerifier(t, public)

	call := someCall()
	signed, err := signer.SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	gotCall, err := verifier.VerifyCall(signed)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(call, gotCall); d != "" {
		t.Errorf("call (-signed +verified)\n%s", d)
	}

	attestation := someAttestation()
	token, err := signer.SignAttestation(attestation)
	if err != nil {
		t.Fatal(err)
	}
	gotAttestation, err := verifier.VerifyAttestation(token)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(attestation, gotAttestation); d != "" {
		t.Errorf("attestation (-signed +verified)\n%s", d)
	}

	again, err := signer.SignCall(gotCall)
	if err != nil || again != signed {
		t.Errorf("signing what was verified gives another token (%v)", err)
	}
}

// TestCallOfEarlierLimits: a call that was taken when bodies had more tokens, and
// that waits for people since then, is genuine.
func TestCallOfEarlierLimits(t *testing.T) {
	public, private := newKey(t)
	call := someCall()
	call.Arguments = json.RawMessage(`{"many":[` + strings.Repeat("1,", 16_000) + `1]}`)
	signed, err := newSigner(t, private).SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, public).VerifyCall(signed); err != nil {
		t.Error(err)
	}
}

func TestTimesBecomeUTC(t *testing.T) {
	public, private := newKey(t)
	call := someCall()
	call.ReceivedAt = call.ReceivedAt.In(time.FixedZone("CET", 3600))
	signed, err := newSigner(t, private).SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newVerifier(t, public).VerifyCall(signed)
	if err != nil {
		t.Fatal(err)
	}
	if want := someCall().ReceivedAt; got.ReceivedAt != want {
		t.Errorf("received at %v, want %v", got.ReceivedAt, want)
	}
}

func TestRotation(t *testing.T) {
	oldPublic, oldPrivate := newKey(t)
	newPublic, newPrivate := newKey(t)
	verifier := newVerifier(t, oldPublic, newPublic)
	for name, key := range map[string]ed25519.PrivateKey{"Old": oldPrivate, "New": newPrivate} {
		signed, err := newSigner(t, key).SignCall(someCall())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.VerifyCall(signed); err != nil {
			t.Errorf("%s key: %v", name, err)
		}
	}
}

func TestUnsignable(t *testing.T) {
	_, private := newKey(t)
	signer := newSigner(t, private)
	for name, tt := range map[string]struct {
		reason string
		change func(*sallyport.Call)
	}{
		"NoID":             {"every call has a name", func(c *sallyport.Call) { c.ID = "" }},
		"BadID":            {"an id becomes part of other names", func(c *sallyport.Call) { c.ID = "../../etc/passwd" }},
		"NoAgent":          {"a call names its agent", func(c *sallyport.Call) { c.AgentID = "" }},
		"NoSubject":        {"a call names its agent's account", func(c *sallyport.Call) { c.Account.Subject = "" }},
		"NoTool":           {"nothing was asked", func(c *sallyport.Call) { c.Tool = "" }},
		"NoTime":           {"policy and history need it", func(c *sallyport.Call) { c.ReceivedAt = time.Time{} }},
		"NoArguments":      {"null would come back", func(c *sallyport.Call) { c.Arguments = nil }},
		"ArgumentsNoObj":   {"a schema is of an object", func(c *sallyport.Call) { c.Arguments = json.RawMessage(`[1]`) }},
		"NotCanonical":     {"another spelling would come back", func(c *sallyport.Call) { c.Arguments = json.RawMessage(`{"b":1, "a":2}`) }},
		"DuplicateMembers": {"two readers could take two values", func(c *sallyport.Call) { c.Arguments = json.RawMessage(`{"a":1,"a":2}`) }},
		"InvalidUTF8":      {"it would come back as something else", func(c *sallyport.Call) { c.Stated.Reason = "\xff" }},
		"TooLong":          {"no verifier would look at it", func(c *sallyport.Call) { c.Stated.Reason = strings.Repeat("x", 1<<17) }},
	} {
		t.Run(name, func(t *testing.T) {
			call := someCall()
			tt.change(&call)
			if token, err := signer.SignCall(call); sallyport.KindOf(err) != sallyport.Internal {
				t.Errorf("SignCall = %.40q, %v; want it refused: %s", token, err, tt.reason)
			}
		})
	}
	for name, change := range map[string]func(*sallyport.Attestation){
		"NoCall":    func(a *sallyport.Attestation) { a.CallID = "" },
		"NoAccount": func(a *sallyport.Attestation) { a.Account = sallyport.Account{} },
		"NoVerdict": func(a *sallyport.Attestation) { a.Paper.Verdict = "maybe" },
		"NoBallot":  func(a *sallyport.Attestation) { a.Paper.Ballot = "sha256:" },
		"NoTime":    func(a *sallyport.Attestation) { a.At = time.Time{} },
	} {
		t.Run("Attestation"+name, func(t *testing.T) {
			a := someAttestation()
			change(&a)
			if token, err := signer.SignAttestation(a); sallyport.KindOf(err) != sallyport.Internal {
				t.Errorf("SignAttestation = %.40q, %v; want it refused", token, err)
			}
		})
	}
}

func TestConstructorsRefuse(t *testing.T) {
	if _, err := jws.NewSigner(nil); err == nil {
		t.Error("a signer without a key")
	}
	if _, err := jws.NewVerifier(); err == nil {
		t.Error("a verifier without keys can verify no signature")
	}
	if _, err := jws.NewVerifier(ed25519.PublicKey{1, 2}); err == nil {
		t.Error("a verifier with a short key")
	}
}
