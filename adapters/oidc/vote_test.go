package oidc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
)

// asked is what bob votes on.
var (
	asked  = sallyport.Ballot{CallID: "call", Nonce: "n", OpenedAt: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)}
	ballot = asked.Digest()
)

// voteOf is an ID token by which bob votes yes, with changes to its claims.
func (i *fakeIssuer) voteOf(t *testing.T, changes map[string]any) string {
	t.Helper()
	return signed(t, jose.ES256, i.keys["first"], "first", "JWT", i.voteClaims(changes))
}

func (i *fakeIssuer) voteClaims(changes map[string]any) map[string]any {
	claims := i.claimsOf("bob", map[string]any{
		"aud": "sallyport-approve", "nonce": sallyport.VoteNonce(sallyport.Approve, ballot), "auth_time": i.clock.Now().Unix(),
	})
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func TestVerifyVote(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	got, err := w.identities(t).VerifyVote(t.Context(), w.people.voteOf(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := sallyport.SignedVote{
		Account: sallyport.Account{Issuer: w.people.URL, Subject: "bob"}, Verdict: sallyport.Approve, Ballot: ballot,
		LoggedInAt: now, IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), Key: got.Key,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(got.Key, &key); err != nil || !key.IsPublic() || key.KeyID != "first" {
		t.Errorf("the key that was kept is %s, %v", got.Key, err)
	}

	// What was issued in time stays said.
	token := w.people.voteOf(t, nil)
	w.clock.advance(24 * time.Hour)
	if _, err := w.identities(t).VerifyVote(t.Context(), token); err != nil {
		t.Errorf("a vote of yesterday: %v", err)
	}
}

// TestForgedVotes is everything an ID token can say or look like without being
// a vote. None of them counts, and each says why.
func TestForgedVotes(t *testing.T) {
	w := newWorld(t)
	p, a := w.people, w.agents
	now := w.clock.Now().Unix()
	genuine := p.voteOf(t, nil)
	parts := strings.Split(genuine, ".")
	der, err := x509.MarshalPKIXPublicKey(p.keys["first"].Public())
	if err != nil {
		t.Fatal(err)
	}
	hs256 := b64(`{"alg":"HS256","kid":"first","typ":"JWT"}`) + "." + parts[1]
	mac := hmac.New(sha256.New, der)
	mac.Write([]byte(hs256))
	with := func(name string, value any) string { return p.voteOf(t, map[string]any{name: value}) }
	identities := w.identities(t)
	if _, err := identities.VerifyVote(t.Context(), genuine); err != nil {
		t.Fatalf("the genuine one is refused, so the forged ones prove nothing: %v", err)
	}
	for name, tt := range map[string]struct{ token, want string }{
		"Garbage":        {"vote for me", "can't be read"},
		"None":           {b64(`{"alg":"none","kid":"first"}`) + "." + parts[1] + ".", `signed with "none"`},
		"HMACWithPublic": {hs256 + "." + b64(string(mac.Sum(nil))), `signed with "HS256"`},
		"OtherKey":       {signed(t, jose.ES256, newECKey(t), "first", "JWT", p.voteClaims(nil)), "signature is not by"},
		"UnknownKid":     {signed(t, jose.ES256, newECKey(t), "mine", "JWT", p.voteClaims(nil)), `key "mine" is none of`},
		"EmbeddedKey":    {signedWith(t, jose.ES256, newECKey(t), "", (&jose.SignerOptions{EmbedJWK: true}).WithType("JWT"), p.voteClaims(nil)), "carries one of jwk"},
		"Tampered":       {parts[0] + "." + b64(`{"iss":"`+p.URL+`","sub":"carol"}`) + "." + parts[2], "signature is not by"},
		"AgentsIssuer": {
			signed(t, jose.ES256, a.keys["first"], "first", "JWT", a.voteClaims(map[string]any{"groups": []string{"sre"}})),
			"vouches for agents",
		},
		"AgentsKey":       {signed(t, jose.ES256, a.keys["first"], "first", "JWT", p.voteClaims(nil)), "signature is not by"},
		"UnknownIssuer":   {with("iss", "https://evil.example.com"), "is not in the identity table"},
		"OtherAudience":   {with("aud", "temporal"), `for ["temporal"] and a vote's is for "sallyport-approve" alone`},
		"APIAudience":     {with("aud", "sallyport"), "alone"},
		"TwoAudiences":    {with("aud", []string{"sallyport-approve", "temporal"}), "alone"},
		"NoAudience":      {with("aud", nil), "alone"},
		"OtherParty":      {with("azp", "temporal-ui"), "azp"},
		"PartyNumber":     {with("azp", 7), "azp"},
		"AccessToken":     {signed(t, jose.ES256, p.keys["first"], "first", "at+jwt", p.voteClaims(nil)), "access token"},
		"AccessTokenLong": {signed(t, jose.ES256, p.keys["first"], "first", "application/at+jwt", p.voteClaims(nil)), "access token"},
		"NoNonce":         {with("nonce", nil), "was not issued for a vote"},
		"OtherNonce":      {with("nonce", "n-0S6_WzA2Mj"), "was not issued for a vote"},
		"NonceNumber":     {with("nonce", 7), "was not issued for a vote"},
		"OtherVerdict":    {with("nonce", "Approve:"+string(ballot)), "was not issued for a vote"},
		"NoBallot":        {with("nonce", "approve:"), "was not issued for a vote"},
		"TwoBallots":      {with("nonce", "approve:"+string(ballot)+":"+string(ballot)), "was not issued for a vote"},
		"NoSubject":       {with("sub", nil), "must name its subject"},
		"NotYet":          {with("nbf", now+120), "not valid yet"},
		"NotYetNegative":  {with("nbf", -1), "not valid yet"},
		"FutureIssue":     {p.voteOf(t, map[string]any{"iat": now + 300, "exp": now + 600}), "in the future"},
		"NoIssueTime":     {with("iat", nil), "must say when"},
		"NoExpiry":        {with("exp", nil), "must say when"},
		"NoLogIn":         {with("auth_time", nil), "auth_time"},
		"LogInText":       {with("auth_time", "now"), "auth_time"},
		"LogInLater":      {with("auth_time", now+60), "auth_time"},
		"ExpiredAtBirth":  {p.voteOf(t, map[string]any{"exp": now - 1}), "must say when"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := identities.VerifyVote(t.Context(), tt.token)
			if sallyport.KindOf(err) != sallyport.Denied || sallyport.CodeOf(err) != "bad_evidence" || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("VerifyVote = %+v, %v; want it refused with %q", v, err, tt.want)
			}
		})
	}
	t.Run("NoVoteAudience", func(t *testing.T) {
		w.write(t, strings.Replace(tableText, "    vote_audience: sallyport-approve\n", "", 1))
		if _, err := w.identities(t).VerifyVote(t.Context(), genuine); err == nil || !strings.Contains(err.Error(), "no vote_audience") {
			t.Errorf("VerifyVote: %v", err)
		}
	})
	t.Run("Outage", func(t *testing.T) {
		w.write(t, tableText)
		identities := w.identities(t)
		p.change(func(i *fakeIssuer) { i.down = true })
		if _, err := identities.VerifyVote(t.Context(), genuine); sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("without the issuer's keys: %v", err)
		}
	})
	t.Run("NoIdentity", func(t *testing.T) {
		p.change(func(i *fakeIssuer) { i.down = false })
		if who, err := w.identities(t).Identify(t.Context(), genuine); err == nil {
			t.Errorf("a vote opened the API as %+v", who)
		}
	})
}

// TestVerifyKept verifies votes from what was kept of them.
func TestVerifyKept(t *testing.T) {
	w := newWorld(t)
	token := w.people.voteOf(t, nil)
	said, err := w.identities(t).VerifyVote(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	vote := sallyport.Vote{
		Ballot: said.Ballot, Person: "bob", Account: said.Account, Verdict: said.Verdict, At: said.IssuedAt, Key: said.Key,
		Evidence: sallyport.Evidence{Class: sallyport.IDPSigned, Token: token},
	}
	published := w.people.jwks().Keys
	later := asked
	later.OpenedAt = later.OpenedAt.Add(time.Minute)
	for name, tt := range map[string]struct {
		reason string
		change func(*sallyport.Vote)
		ballot sallyport.Ballot
		kept   oidc.Kept
		want   string // "" verifies
	}{
		"Kept":      {reason: "the control"},
		"Published": {reason: "everything is as the provider says", kept: oidc.Kept{Keys: published, Issuer: w.people.URL, Audience: "sallyport-approve"}},
		"Unknown":   {reason: "the key is not the provider's", kept: oidc.Kept{Keys: w.agents.jwks().Keys}, want: "none of the provider's"},
		"Issuer":    {reason: "another provider signed it", kept: oidc.Kept{Issuer: "https://other.example.com"}, want: "and not of https://other.example.com"},
		"Audience":  {reason: "bob logged in elsewhere with a nonce of that place's choice", kept: oidc.Kept{Audience: "votes"}, want: `a vote's is for "votes" alone`},
		"Verdict":   {reason: "a yes was made of a no", change: func(v *sallyport.Vote) { v.Verdict = sallyport.Reject }, want: "and the vote another thing"},
		"Account":   {reason: "bob's was made carol's", change: func(v *sallyport.Vote) { v.Account.Subject = "carol" }, want: "and the vote another thing"},
		"Ballot":    {reason: "it was moved to another ballot", change: func(v *sallyport.Vote) { v.Ballot = sallyport.NewDigest("x") }, want: "and the vote another thing"},
		"Time":      {reason: "it was made earlier", change: func(v *sallyport.Vote) { v.At = v.At.Add(-time.Hour) }, want: "and the vote another thing"},
		"Silent":    {reason: "bob had logged in before he was asked", ballot: later, want: "the ballot was opened at"},
		"NoKey":     {reason: "nothing was kept", change: func(v *sallyport.Vote) { v.Key = nil }, want: "no public key"},
		"OtherKey": {
			reason: "another key was put in its place", want: "not signed with the kept key",
			change: func(v *sallyport.Vote) {
				v.Key, _ = json.Marshal(jose.JSONWebKey{Key: newECKey(t).Public(), KeyID: "first"})
			},
		},
		"Token": {reason: "there is none", change: func(v *sallyport.Vote) { v.Evidence.Token = "" }, want: "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			v, b := vote, asked
			if tt.change != nil {
				tt.change(&v)
			}
			if !tt.ballot.OpenedAt.IsZero() {
				b = tt.ballot
			}
			err := tt.kept.Verify(v, b)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Verify: %v; want %q: %s", err, tt.want, tt.reason)
			}
		})
	}
}
