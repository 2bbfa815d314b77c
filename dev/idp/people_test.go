package idp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const codeVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// asking are the parameters of a good authorization request, with changes;
// "" takes one away.
func asking(changes map[string]string) url.Values {
	values := url.Values{
		"response_type": {"code"}, "client_id": {"cli"}, "redirect_uri": {cliCallback}, "scope": {"openid profile"},
		"state": {"st&te"}, "nonce": {"approve:sha256:00"},
		"code_challenge": {challengeOf(codeVerifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range changes {
		values.Set(name, value)
		if value == "" {
			values.Del(name)
		}
	}
	return values
}

func (w *world) authorize(t *testing.T, values url.Values) response {
	t.Helper()
	return w.do(t, "GET", "/people/authorize?"+values.Encode(), "", nil)
}

var requestKey = regexp.MustCompile(`name="request" value="([^"]+)"`)

func keyOf(t *testing.T, page response) string {
	t.Helper()
	found := requestKey.FindStringSubmatch(page.body)
	if page.status != http.StatusOK || found == nil {
		t.Fatalf("status %d, no log-in page: %s", page.status, page.body)
	}
	return found[1]
}

// choose answers a log-in page, and returns what the client is told.
func (w *world) choose(t *testing.T, page response, person string) url.Values {
	t.Helper()
	return w.sentBack(t, w.post(t, "/people/authorize", url.Values{"request": {keyOf(t, page)}, "person": {person}}))
}

func (w *world) sentBack(t *testing.T, got response) url.Values {
	t.Helper()
	to, err := url.Parse(got.header.Get("Location"))
	if got.status != http.StatusSeeOther || err != nil {
		t.Fatalf("status %d, Location %q: %s", got.status, got.header.Get("Location"), got.body)
	}
	if at := to.Scheme + "://" + to.Host + to.Path; at != cliCallback && at != uiCallback {
		t.Fatalf("the browser was sent to %s", to)
	}
	if to.Query().Get("iss") != w.PeopleIssuer() {
		t.Errorf("iss is %q", to.Query().Get("iss"))
	}
	return to.Query()
}

func redeeming(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"cli"}, "code": {code},
		"redirect_uri": {cliCallback}, "code_verifier": {codeVerifier},
	}
}

func TestLogIn(t *testing.T) {
	w := newWorld(t)
	page := w.authorize(t, asking(nil))
	for _, want := range []string{"Alice", "Audra", "no passwords", `lang="en"`, "cli"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the log-in page lacks %q", want)
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://127.0.0.1:53682;") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	back := w.choose(t, page, "bob")
	if back.Get("state") != "st&te" || back.Get("code") == "" {
		t.Fatalf("the client was told %v", back)
	}
	got := w.post(t, "/people/token", redeeming(back.Get("code")))
	if got.status != http.StatusOK {
		t.Fatalf("status %d, %s", got.status, got.body)
	}
	who, err := w.identities(t).Identify(t.Context(), got.text(t, "access_token"))
	if err != nil || who.Person == nil || who.Person.ID != "bob" || who.Agent != nil {
		t.Errorf("Identify = %+v, %v", who, err)
	}
	if _, err := w.identities(t).Identify(t.Context(), got.text(t, "id_token")); err == nil {
		t.Error("an ID token for the client was taken for an access token")
	}

	provider, err := gooidc.NewProvider(t.Context(), w.PeopleIssuer())
	if err != nil {
		t.Fatal(err)
	}
	id, err := provider.Verifier(&gooidc.Config{ClientID: "cli"}).Verify(t.Context(), got.text(t, "id_token"))
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "bob" || id.Nonce != "approve:sha256:00" {
		t.Errorf("the ID token is of %q with nonce %q", id.Subject, id.Nonce)
	}

	info := w.do(t, "GET", "/people/userinfo", "", map[string]string{"Authorization": "Bearer " + got.text(t, "access_token")})
	if info.text(t, "sub") != "bob" || info.text(t, "name") != "Bob" {
		t.Errorf("user info: %d %s", info.status, info.body)
	}
	for name, token := range map[string]string{"IDToken": got.text(t, "id_token"), "None": "", "Agent": mustToken(t, w, "deploy-bot")} {
		if info := w.do(t, "GET", "/people/userinfo", "", map[string]string{"Authorization": "Bearer " + token}); info.status != http.StatusUnauthorized {
			t.Errorf("user info for %s: %d %s", name, info.status, info.body)
		}
	}
	if info := w.do(t, "GET", "/people/userinfo", "", map[string]string{"Authorization": "Bearer " + mustToken(t, w, "bob")}); info.status != http.StatusForbidden {
		t.Errorf("user info without the scope: %d %s", info.status, info.body)
	}
	w.clock.advance(2 * time.Hour)
	if info := w.do(t, "GET", "/people/userinfo", "", map[string]string{"Authorization": "Bearer " + got.text(t, "access_token")}); info.status != http.StatusUnauthorized {
		t.Errorf("user info for an expired token: %d %s", info.status, info.body)
	}
}

func mustToken(t *testing.T, w *world, subject string) string {
	t.Helper()
	token, err := w.Token(subject, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestConfidentialClient is how the Temporal UI logs people in: with a secret
// and a nonce, without PKCE.
func TestConfidentialClient(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.Secret("temporal-ui")
	code := func() string {
		return w.choose(t, w.authorize(t, asking(map[string]string{
			"client_id": "temporal-ui", "redirect_uri": uiCallback, "code_challenge": "", "code_challenge_method": "",
		})), "carol").Get("code")
	}
	redeem := func(code string, changes map[string]string) response {
		values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {uiCallback}, "client_id": {"temporal-ui"}, "client_secret": {secret}}
		for name, value := range changes {
			values.Set(name, value)
		}
		return w.post(t, "/people/token", values)
	}
	got := redeem(code(), nil)
	if got.status != http.StatusOK {
		t.Fatalf("status %d, %s", got.status, got.body)
	}
	if who, err := w.identities(t).Identify(t.Context(), got.text(t, "access_token")); err == nil {
		t.Errorf("a token for Temporal opened the gateway: %+v", who)
	}
	if got := redeem(code(), map[string]string{"client_secret": "wrong"}); got.text(t, "error") != "invalid_client" {
		t.Errorf("a wrong secret: %d %s", got.status, got.body)
	}
	if got := redeem(code(), map[string]string{"client_secret": ""}); got.text(t, "error") != "invalid_client" {
		t.Errorf("no secret: %d %s", got.status, got.body)
	}
	if got := redeem(code(), map[string]string{"code_verifier": codeVerifier}); got.text(t, "error") != "invalid_grant" {
		t.Errorf("a verifier without a challenge: %d %s", got.status, got.body)
	}
	if got := w.post(t, "/people/token", redeeming(code())); got.text(t, "error") != "invalid_grant" {
		t.Errorf("another client's code: %d %s", got.status, got.body)
	}
}

func TestCodesAreBound(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		reason string
		change func(url.Values)
	}{
		"OtherVerifier": {"a stolen code is worth nothing", func(v url.Values) { v.Set("code_verifier", strings.Repeat("a", 43)) }},
		"NoVerifier":    {"a stolen code is worth nothing", func(v url.Values) { v.Del("code_verifier") }},
		"Challenge":     {"the challenge was seen by others", func(v url.Values) { v.Set("code_verifier", challengeOf(codeVerifier)) }},
		"OtherClient":   {"a code belongs to its client", func(v url.Values) { v.Set("client_id", "other-cli") }},
		"OtherRedirect": {"a code belongs to its redirect URI", func(v url.Values) { v.Set("redirect_uri", "http://127.0.0.1:53683/callback") }},
		"NoRedirect":    {"a code belongs to its redirect URI", func(v url.Values) { v.Del("redirect_uri") }},
		"OtherCode":     {"codes can't be guessed", func(v url.Values) { v.Set("code", strings.ToLower(v.Get("code"))) }},
		"Expired":       {"a code is for now", func(url.Values) { w.clock.advance(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			code := w.choose(t, w.authorize(t, asking(nil)), "bob").Get("code")
			values := redeeming(code)
			tt.change(values)
			if got := w.post(t, "/people/token", values); got.text(t, "error") != "invalid_grant" || got.text(t, "access_token") != "" {
				t.Errorf("status %d, %s; want invalid_grant: %s", got.status, got.body, tt.reason)
			}
			if name == "OtherCode" {
				return // the code itself was not tried
			}
			if got := w.post(t, "/people/token", redeeming(code)); got.text(t, "error") != "invalid_grant" {
				t.Errorf("the code was not spent by the attempt: %s", got.body)
			}
		})
	}
	code := w.choose(t, w.authorize(t, asking(nil)), "bob").Get("code")
	if got := w.post(t, "/people/token", redeeming(code)); got.status != http.StatusOK {
		t.Fatalf("status %d, %s", got.status, got.body)
	}
	if got := w.post(t, "/people/token", redeeming(code)); got.text(t, "error") != "invalid_grant" {
		t.Errorf("a code was good twice: %s", got.body)
	}
}

// TestNowhereElse: without a client and a redirect URI that are right, the
// browser is sent nowhere.
func TestNowhereElse(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]map[string]string{
		"UnknownClient":  {"client_id": "mallory"},
		"NoClient":       {"client_id": ""},
		"NoRedirect":     {"redirect_uri": ""},
		"OtherHost":      {"redirect_uri": "http://evil.example.com/callback"},
		"OtherPath":      {"redirect_uri": "http://127.0.0.1:53682/callback/../evil"},
		"LongerPath":     {"redirect_uri": "http://127.0.0.1:53682/callback2"},
		"Query":          {"redirect_uri": "http://127.0.0.1:53682/callback?next=evil"},
		"Fragment":       {"redirect_uri": "http://127.0.0.1:53682/callback#x"},
		"User":           {"redirect_uri": "http://127.0.0.1:53682@evil.example.com/callback"},
		"UserBefore":     {"redirect_uri": "http://evil@127.0.0.1:53682/callback"},
		"Localhost":      {"redirect_uri": "http://localhost:53682/callback"},
		"OtherScheme":    {"redirect_uri": "https://127.0.0.1:53682/callback"},
		"Backslash":      {"redirect_uri": `http://127.0.0.1:53682\@evil.example.com/callback`},
		"ConfidentialUI": {"client_id": "temporal-ui", "redirect_uri": "http://127.0.0.1:9999/auth/sso/callback"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.authorize(t, asking(change))
			if got.status != http.StatusBadRequest || got.header.Get("Location") != "" || requestKey.MatchString(got.body) {
				t.Errorf("status %d, Location %q: %s", got.status, got.header.Get("Location"), got.body)
			}
		})
	}
	twice := asking(nil)
	twice.Add("redirect_uri", "http://evil.example.com/callback")
	if got := w.authorize(t, twice); got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
		t.Errorf("two redirect URIs: status %d, Location %q", got.status, got.header.Get("Location"))
	}
}

func TestRefusedRequests(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		change map[string]string
		code   string
	}{
		"Implicit":      {map[string]string{"response_type": "token"}, "unsupported_response_type"},
		"Fragment":      {map[string]string{"response_mode": "fragment"}, "invalid_request"},
		"NoPKCE":        {map[string]string{"code_challenge": ""}, "invalid_request"},
		"PlainPKCE":     {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		"NoMethod":      {map[string]string{"code_challenge_method": ""}, "invalid_request"},
		"BadChallenge":  {map[string]string{"code_challenge": "short"}, "invalid_request"},
		"NoOpenID":      {map[string]string{"scope": "profile"}, "invalid_scope"},
		"OtherAudience": {map[string]string{"audience": "https://bank.example.com"}, "invalid_target"},
		"TwoAudiences":  {map[string]string{"audience": "sallyport", "resource": "temporal"}, "invalid_target"},
		"Request":       {map[string]string{"request": "e30"}, "request_not_supported"},
		"Prompt":        {map[string]string{"prompt": "create"}, "invalid_request"},
		"LongNonce":     {map[string]string{"nonce": strings.Repeat("n", 3000)}, "invalid_request"},
		"MaxAge":        {map[string]string{"max_age": "-1"}, "invalid_request"},
		"Silent":        {map[string]string{"prompt": "none"}, "interaction_required"}, // every program can be a public client
		"NotLoggedIn": {map[string]string{
			"prompt": "none", "client_id": "temporal-ui", "redirect_uri": uiCallback, "code_challenge": "", "code_challenge_method": "",
		}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			back := w.sentBack(t, w.authorize(t, asking(tt.change)))
			if back.Get("error") != tt.code || back.Get("code") != "" || back.Get("state") != "st&te" {
				t.Errorf("the client was told %v, want %s", back, tt.code)
			}
		})
	}
}

func TestLoginPageIsForOneUse(t *testing.T) {
	w := newWorld(t)
	page := w.authorize(t, asking(nil))
	if back := w.choose(t, page, "bob"); back.Get("code") == "" {
		t.Fatal(back)
	}
	refused := func(name string, got response) {
		t.Helper()
		if got.status < 400 || got.header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q", name, got.status, got.header.Get("Location"))
		}
	}
	choice := func(page response, person string) url.Values {
		return url.Values{"request": {keyOf(t, page)}, "person": {person}}
	}
	refused("a used page", w.post(t, "/people/authorize", choice(page, "carol")))
	refused("no page", w.post(t, "/people/authorize", url.Values{"person": {"bob"}}))
	refused("a stranger", w.post(t, "/people/authorize", choice(w.authorize(t, asking(nil)), "mallory")))
	refused("an agent", w.post(t, "/people/authorize", choice(w.authorize(t, asking(nil)), "deploy-bot")))
	old := w.authorize(t, asking(nil))
	w.clock.advance(11 * time.Minute)
	refused("an old page", w.post(t, "/people/authorize", choice(old, "bob")))
	other := choice(w.authorize(t, asking(nil)), "bob").Encode()
	refused("another site's form", w.do(t, "POST", "/people/authorize", other, map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example.com",
	}))
	if back := w.choose(t, w.authorize(t, asking(nil)), ""); back.Get("error") != "access_denied" {
		t.Errorf("going back tells the client %v", back)
	}
}

func TestSession(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.Secret("temporal-ui")
	silently := func() url.Values {
		t.Helper()
		return w.sentBack(t, w.authorize(t, asking(map[string]string{
			"prompt": "none", "max_age": "3600", "client_id": "temporal-ui", "redirect_uri": uiCallback, "code_challenge": "", "code_challenge_method": "",
		})))
	}
	loggedIn := w.clock.Now()
	w.choose(t, w.authorize(t, asking(nil)), "bob")
	w.clock.advance(10 * time.Minute)
	back := silently()
	got := w.post(t, "/people/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {uiCallback}, "client_id": {"temporal-ui"}, "client_secret": {secret},
	})
	parsed, err := jwt.ParseSigned(got.text(t, "id_token"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatalf("a silent log-in: %v, %s, %v", back, got.body, err)
	}
	var said struct {
		Subject  string `json:"sub"`
		LoggedIn int64  `json:"auth_time"`
	}
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil || said.Subject != "bob" || said.LoggedIn != loggedIn.Unix() {
		t.Errorf("a silent log-in says %+v, %v; want bob's of %d", said, err, loggedIn.Unix())
	}
	w.clock.advance(time.Hour)
	if back := silently(); back.Get("error") != "login_required" {
		t.Errorf("after more than max_age: %v", back)
	}
	if page := w.authorize(t, asking(nil)); !strings.Contains(page.body, "(suggested)") {
		t.Error("the log-in page suggests no person")
	}
	w.choose(t, w.authorize(t, asking(nil)), "carol")
	w.clock.advance(13 * time.Hour)
	if back := silently(); back.Get("error") != "login_required" {
		t.Errorf("after half a day: %v", back)
	}

	w.choose(t, w.authorize(t, asking(nil)), "bob")
	if out := w.do(t, "GET", "/people/logout", "", nil); out.status != http.StatusOK {
		t.Errorf("logging out: status %d", out.status)
	}
	if back := silently(); back.Get("error") != "login_required" {
		t.Errorf("after logging out: %v", back)
	}
}

func TestLogoutRedirects(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.Secret("temporal-ui")
	code := w.choose(t, w.authorize(t, asking(map[string]string{
		"client_id": "temporal-ui", "redirect_uri": uiCallback, "code_challenge": "", "code_challenge_method": "",
	})), "carol").Get("code")
	tokens := w.post(t, "/people/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {uiCallback}, "client_id": {"temporal-ui"}, "client_secret": {secret},
	})
	hint := tokens.text(t, "id_token")
	for name, tt := range map[string]struct {
		values   url.Values
		location string
	}{
		"Client":        {url.Values{"client_id": {"temporal-ui"}, "post_logout_redirect_uri": {loggedOut}, "state": {"s"}}, loggedOut + "?state=s"},
		"Hint":          {url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {loggedOut}}, loggedOut},
		"OtherClient":   {url.Values{"id_token_hint": {hint}, "client_id": {"cli"}, "post_logout_redirect_uri": {loggedOut}}, ""},
		"NotRegistered": {url.Values{"client_id": {"temporal-ui"}, "post_logout_redirect_uri": {"http://evil.example.com/"}}, ""},
		"NoClient":      {url.Values{"post_logout_redirect_uri": {loggedOut}}, ""},
		"ForgedHint":    {url.Values{"id_token_hint": {hint + "A"}, "post_logout_redirect_uri": {loggedOut}}, ""},
	} {
		got := w.do(t, "GET", "/people/logout?"+tt.values.Encode(), "", nil)
		if got.header.Get("Location") != tt.location {
			t.Errorf("%s: status %d, Location %q, want %q", name, got.status, got.header.Get("Location"), tt.location)
		}
	}
}
