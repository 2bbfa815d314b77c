package idp

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/strict"
)

const (
	waitingTTL = 10 * time.Minute // how long the log-in page may stand open
	loginTTL   = 12 * time.Hour

	scopeOpenID   = "openid"
	challengeS256 = "S256"
	maxParameter  = 2048 // bytes of state and nonce
)

// challenge is a code challenge by S256 (RFC 7636, section 4.2).
var challenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorization is what a client asked a person for.
type authorization struct {
	client                                   Client
	redirect, state, nonce, challenge, scope string
	audience, prompt, hint                   string
	maxAge                                   time.Duration // of the person's log-in
}

// authorize shows the log-in page (OpenID Connect Core 1.0, section 3.1.2).
// Until client and redirect URI are known to be right, it shows errors and
// redirects no browser.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	client, ok := p.client(values.Get("client_id"))
	if !ok || repeated(values) != "" {
		p.showError(w, http.StatusBadRequest, "No application of this client_id may ask who you are, or a parameter is given twice.")
		return
	}
	redirect := values.Get("redirect_uri")
	if !client.mayRedirectTo(redirect) {
		p.showError(w, http.StatusBadRequest, "The application did not register this redirect_uri.")
		return
	}
	a := authorization{
		client: client, redirect: redirect, state: values.Get("state"), nonce: values.Get("nonce"),
		challenge: values.Get("code_challenge"), scope: values.Get("scope"), prompt: values.Get("prompt"), hint: values.Get("login_hint"),
	}
	if code, description := a.read(values); code != "" {
		p.sendBack(w, r, a, url.Values{"error": {code}, "error_description": {description}})
		return
	}
	session, loggedIn := p.session(r)
	switch {
	case a.prompt != "none":
		p.showLogin(w, p.waiting.put(a, p.opts.Now()), a, session.person)
	case client.Public: // every program on the person's machine can be this client (RFC 8252, section 8.6)
		p.sendBack(w, r, a, url.Values{"error": {"interaction_required"}})
	case !loggedIn || p.opts.Now().Sub(session.at) > a.maxAge:
		p.sendBack(w, r, a, url.Values{"error": {"login_required"}})
	default:
		p.sendCode(w, r, a, session)
	}
}

// read checks the rest of a request, and returns an error code where it is
// not right.
func (a *authorization) read(values url.Values) (code, description string) {
	wanted, ok := asked(values)
	audience, allowed := audienceOf(a.client.Audiences, wanted)
	a.audience, a.maxAge = audience, loginTTL
	if values.Has("max_age") {
		seconds, err := strconv.ParseUint(values.Get("max_age"), 10, 31)
		if err != nil {
			return "invalid_request", "max_age must be a number of seconds"
		}
		a.maxAge = min(a.maxAge, time.Duration(seconds)*time.Second)
	}
	switch {
	case values.Has("request"):
		return "request_not_supported", ""
	case values.Has("request_uri"):
		return "request_uri_not_supported", ""
	case values.Get("response_type") != "code":
		return "unsupported_response_type", "response_type must be code"
	case values.Has("response_mode") && values.Get("response_mode") != "query":
		return "invalid_request", "response_mode must be query"
	case len(a.state) > maxParameter || len(a.nonce) > maxParameter:
		return "invalid_request", "state or nonce is too long"
	case a.challenge == "" && a.client.Public:
		return "invalid_request", "public clients must send a code_challenge (RFC 7636)"
	case a.challenge != "" && (values.Get("code_challenge_method") != challengeS256 || !challenge.MatchString(a.challenge)):
		return "invalid_request", "code_challenge must be by the method S256"
	case !slices.Contains([]string{"", "none", "login", "select_account", "consent"}, a.prompt):
		return "invalid_request", "this prompt is not known"
	case !slices.Contains(strings.Fields(a.scope), scopeOpenID):
		return "invalid_scope", "scope must contain openid"
	case !ok || !allowed:
		return "invalid_target", "this client may not have tokens for this audience"
	}
	return "", ""
}

// choose takes what the person chose on the log-in page.
func (p *Provider) choose(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.showError(w, http.StatusForbidden, "Only the log-in page itself may send this.")
		return
	}
	if err := r.ParseForm(); err != nil {
		p.showError(w, http.StatusBadRequest, "The form can't be read.")
		return
	}
	a, ok := p.waiting.take(r.PostForm.Get("request"), p.opts.Now())
	if !ok {
		p.showError(w, http.StatusBadRequest, "This log-in page is too old, or was used. Go back to the application and start again.")
		return
	}
	person := r.PostForm.Get("person")
	if person == "" {
		p.sendBack(w, r, a, url.Values{"error": {"access_denied"}})
		return
	}
	if !p.isPerson(person) {
		p.showError(w, http.StatusBadRequest, "This identity provider has no person of this name. Choose one of the log-in page.")
		return
	}
	p.sendCode(w, r, a, p.logIn(w, r, person))
}

func (p *Provider) sendCode(w http.ResponseWriter, r *http.Request, a authorization, session login) {
	code := p.codes.put(grant{authorization: a, person: session.person, loggedIn: session.at}, p.opts.Now())
	p.sendBack(w, r, a, url.Values{"code": {code}})
}

// sendBack sends the browser to the redirect URI, which was checked before.
// It names the issuer, so that a client of several can't be confused (RFC
// 9207).
func (p *Provider) sendBack(w http.ResponseWriter, r *http.Request, a authorization, answer url.Values) {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	answer.Set("iss", p.people.url)
	target, err := url.Parse(a.redirect)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	query := target.Query()
	maps.Copy(query, answer)
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

func (p *Provider) client(id string) (Client, bool) {
	i := slices.IndexFunc(p.opts.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, false
	}
	return p.opts.Clients[i], true
}

// mayRedirectTo compares exactly, but for the port of a native application's
// loopback address.
func (c Client) mayRedirectTo(uri string) bool {
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		return uri == registered || (c.Public && otherPort(registered, uri))
	})
}

// otherPort reports whether uri is the registered loopback address, which
// has no port, with one.
func otherPort(registered, uri string) bool {
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || r.Port() != "" || !strict.Loopback(r.Hostname()) {
		return false
	}
	u, err := url.Parse(uri)
	if err != nil || u.Port() == "" {
		return false
	}
	r.Host += ":" + u.Port()
	return r.String() == uri
}
