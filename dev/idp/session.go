package idp

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// sessionCookie remembers who logged in, for prompt=none. Cookies don't tell
// ports apart, so its name does not clash with those of other programs.
const sessionCookie = "sallyport_dev_idp"

// Session is the person who is logged in in the browser that sent a request.
// Browsers send the cookie to every port of the provider's host, so that other
// parts of the same program can ask.
func (p *Provider) Session(r *http.Request) (person string, ok bool) {
	l, ok := p.session(r)
	return l.person, ok
}

// login is a session: who logged in, and when.
type login struct {
	person string
	at     time.Time
}

func (p *Provider) session(r *http.Request) (login, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return login{}, false
	}
	return p.logins.get(cookie.Value, p.opts.Now())
}

func (p *Provider) logIn(w http.ResponseWriter, r *http.Request, person string) login {
	p.logOut(w, r)
	l := login{person, p.opts.Now()}
	p.setCookie(w, p.logins.put(l, l.at), int(loginTTL.Seconds()))
	return l
}

// logOut ends the browser's session.
func (p *Provider) logOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		p.logins.take(cookie.Value, p.opts.Now())
	}
	p.setCookie(w, "", -1)
}

func (p *Provider) setCookie(w http.ResponseWriter, value string, maxAge int) {
	w.Header().Del("Set-Cookie")
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure would lose it on plain http, which loopback allows
		Name: sessionCookie, Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.opts.Issuer, "https:"),
	})
}

// logout ends the session (OpenID Connect RP-Initiated Logout 1.0). The
// browser is sent on only to where the named client registered.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || repeated(r.Form) != "" {
		p.showError(w, http.StatusBadRequest, "The request can't be read.")
		return
	}
	p.logOut(w, r)
	target := r.Form.Get("post_logout_redirect_uri")
	client, known := p.leaving(r.Form)
	if target == "" || !known || !slices.Contains(client.LogoutURIs, target) {
		p.showLoggedOut(w)
		return
	}
	to, err := url.Parse(target)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if state := r.Form.Get("state"); state != "" {
		query := to.Query()
		query.Set("state", state)
		to.RawQuery = query.Encode()
	}
	http.Redirect(w, r, to.String(), http.StatusSeeOther) //nolint:gosec // registered by the client, and compared exactly
}

// leaving is the client that a person leaves: the one that is named, or the
// one that the ID token is for, which may have expired.
func (p *Provider) leaving(values url.Values) (Client, bool) {
	hint := values.Get("id_token_hint")
	if hint == "" {
		return p.client(values.Get("client_id"))
	}
	token, err := jwt.ParseSigned(hint, signatureAlgorithms())
	if err != nil {
		return Client{}, false
	}
	var claims jwt.Claims
	if err := token.Claims(p.people.public.Key, &claims); err != nil || len(claims.Audience) != 1 {
		return Client{}, false
	}
	if named := values.Get("client_id"); named != "" && named != claims.Audience[0] {
		return Client{}, false
	}
	return p.client(claims.Audience[0])
}
