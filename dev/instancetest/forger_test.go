package instancetest_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	commonpb "go.temporal.io/api/common/v1"
	temporal "go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/idp"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/policies"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// forger is an attacker that tries to run a call without its approvals. It has
// the tokens of all people but the two approvers that are enough, and makes
// tokens: with keys of its own, and with the identity provider's keys, for what
// the provider would sign.
type forger struct {
	*doomed

	target, twin   string // ids of calls that wait for two people
	ballot, twins  sallyport.Digest
	people, agents signer // the provider's
	own            signer
}

type signer struct {
	key *rsa.PrivateKey
	kid string
}

// newForger starts an instance where production takes two people, with two
// identical calls that wait.
func newForger(t *testing.T) *forger {
	t.Helper()
	i := seeded(t, "production/api", "production/worker", "production/early")
	if err := os.CopyFS(i.Path("policies"), policies.Development()); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, i.Path("policies/data.yaml"), "quorum: 1", "quorum: 2")
	f := &forger{doomed: start(t, i)}
	f.people, f.agents = f.signer("people"), f.signer("agents")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f.own = signer{key, f.people.kid}
	f.target = f.submit(scale("production/api", 5))
	twin := scale("production/api", 5)
	twin.Key += "/twin"
	f.twin = f.submit(twin)
	f.ballot, f.twins = f.doomed.ballot(f.target), f.doomed.ballot(f.twin)
	return f
}

func replaceIn(t *testing.T, path, before, after string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), before) {
		t.Fatalf("%s should say %q: %v", path, before, err)
	}
	next := filepath.Join(filepath.Dir(path), ".next")
	if err := os.WriteFile(next, []byte(strings.Replace(string(b), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// signer reads a key of the identity provider's.
func (f *forger) signer(name string) signer {
	f.t.Helper()
	b, err := os.ReadFile(f.Path("idp/" + name + ".pem"))
	if err != nil {
		f.t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		f.t.Fatal(err)
	}
	s := signer{key: key.(*rsa.PrivateKey)}
	public := jose.JSONWebKey{Key: s.key.Public()}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		f.t.Fatal(err)
	}
	s.kid = base64.RawURLEncoding.EncodeToString(sum)
	return s
}

// claims are changes to what a token says; nil takes a claim away.
type claims map[string]any

func (f *forger) token(s signer, typ string, base, changes claims) string {
	f.t.Helper()
	all := maps.Clone(base)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		f.t.Fatal(err)
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := by.Sign(payload)
	if err != nil {
		f.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// access is an access token of bob's for the API.
func (f *forger) access(s signer, changes claims) string {
	f.t.Helper()
	now := time.Now().Unix()
	return f.token(s, "at+jwt", claims{
		"iss": f.Info().IdentityProvider + "/people", "sub": "bob", "aud": "sallyport", "iat": now, "exp": now + 600, "jti": rand.Text(),
	}, changes)
}

// signed is an ID token by which bob says yes to the target.
func (f *forger) signed(s signer, changes claims) string {
	f.t.Helper()
	now := time.Now().Unix()
	return f.token(s, "JWT", claims{
		"iss": f.Info().IdentityProvider + "/people", "sub": "bob", "aud": idp.VoteAudience, "iat": now, "exp": now + 600, "jti": rand.Text(),
		"auth_time": now, "nonce": sallyport.VoteNonce(sallyport.Approve, f.ballot),
	}, changes)
}

// unsigned is a token with another header, and without a signature.
func unsigned(token, header string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "."
}

// hmacked is a token signed with a public key, as if that were a secret.
func hmacked(token string, s signer) string {
	text := strings.TrimSuffix(unsigned(token, `{"alg":"HS256","kid":"`+s.kid+`","typ":"JWT"}`), ".")
	mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&s.key.PublicKey))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// yes is a vote for the target.
func (f *forger) yes() sallyport.BallotPaper {
	return sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: f.ballot}
}

// posts votes by the API, with a bearer token and an ID token, if any.
func (f *forger) posts(bearer string, paper sallyport.BallotPaper, idToken string) error {
	f.t.Helper()
	c, err := client.New(f.Info().API, bearer)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = c.VoteSigned(f.t.Context(), f.target, paper, idToken)
	return err
}

// handsIn lets bob hand in an ID token as his yes.
func (f *forger) handsIn(idToken string) error {
	return f.posts(f.Token(f.t, "bob"), f.yes(), idToken)
}

// at connects to the Temporal server with a token.
func (f *forger) at(token string) temporal.Client {
	f.t.Helper()
	o := temporal.Options{HostPort: f.Info().Temporal, Identity: "jwt/bob"}
	if token != "" {
		o.HeadersProvider = authz.TokenSource(func(context.Context) (string, error) { return token, nil })
	}
	c, err := temporal.NewLazyClient(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

// temporalToken is the token of one person for the Temporal server.
func (f *forger) temporalToken(who string) string {
	f.t.Helper()
	token, err := f.Info().IdentityToken(f.t.Context(), who, "temporal")
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// signals sends the signal approve about a call.
func (f *forger) signals(token, id string, input any) error {
	f.t.Helper()
	return f.at(token).SignalWorkflow(f.t.Context(), "call-"+id, "", "approve", input)
}

// refusals are the votes on a call that did not count, as the ledger has them.
func (f *forger) refusals(id string) []sallyport.Refusal {
	f.t.Helper()
	var all []sallyport.Refusal
	rows, err := f.book.db.QueryContext(f.t.Context(),
		"SELECT entry FROM contents JOIN leaves USING (idx) WHERE call_id = $1 AND kind = 'refusal' ORDER BY idx", id)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var entry []byte
		var e sallyport.Entry
		if err := errors.Join(rows.Scan(&entry), json.Unmarshal(entry, &e)); err != nil {
			f.t.Fatal(err)
		}
		all = append(all, *e.Refusal)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	return all
}

// votesOn are the votes on a call that counted.
func (f *forger) votesOn(id string) []client.Vote {
	f.t.Helper()
	call, err := f.bot.Get(f.t.Context(), id, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return call.Ballot.Votes
}

// execution names a call's workflow.
func execution(id string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: "call-" + id}
}

// until waits for so many refusals on a call.
func (f *forger) until(id string, n int) []sallyport.Refusal {
	f.t.Helper()
	var all []sallyport.Refusal
	instancetest.Await(f.t, "a refusal is recorded", func() bool {
		all = f.refusals(id)
		return len(all) >= n
	})
	return all
}
