package idp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"

	"github.com/go-jose/go-jose/v4"
)

const maxBody = 16 << 10

func signatureAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256}
}

func (p *Provider) routes(prefix string) http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, h http.HandlerFunc) { mux.HandleFunc(method+" "+prefix+path, h) }
	handle("GET", "/agents/.well-known/openid-configuration", p.discoverAgents)
	handle("GET", "/agents/keys", p.agents.serveKeys)
	handle("POST", "/agents/token", p.agentToken)
	handle("GET", "/people/.well-known/openid-configuration", p.discoverPeople)
	handle("GET", "/people/keys", p.people.serveKeys)
	handle("GET", "/people/authorize", p.authorize)
	handle("POST", "/people/authorize", p.choose)
	handle("POST", "/people/token", p.personToken)
	handle("GET", "/people/userinfo", p.userInfo)
	handle("POST", "/people/userinfo", p.userInfo)
	handle("GET", "/people/logout", p.logout)
	handle("POST", "/people/logout", p.logout)
	if p.opts.InstanceToken != "" {
		handle("POST", "/dev/token", p.devToken)
	}
	return p.guard(mux)
}

// guard rejects requests under other host names, against DNS rebinding by web
// pages, and sets the headers that every response needs.
func (p *Provider) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin") // without any, browsers send the log-in form with Origin: null
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if r.Host != p.host {
			http.Error(w, "this identity provider is "+p.opts.Issuer, http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client sees what is missing
}

// oauthError is an error answer of RFC 6749, section 5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func refuse(w http.ResponseWriter, code, description string) {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="sallyport development"`)
	}
	writeJSON(w, status, oauthError{Code: code, Description: description})
}

// form reads the body of a request to a token endpoint. Parameters stand in
// the body alone, where no log writes them down.
func form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		refuse(w, "invalid_request", "send application/x-www-form-urlencoded")
		return nil, false
	}
	if r.URL.RawQuery != "" {
		refuse(w, "invalid_request", "send parameters in the body, not in the URL")
		return nil, false
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, "invalid_request", "the body can't be read")
		return nil, false
	}
	if name := repeated(r.PostForm); name != "" {
		refuse(w, "invalid_request", "the parameter "+name+" is given twice")
		return nil, false
	}
	return r.PostForm, true
}

// repeated is the name of a parameter that is given twice (RFC 6749, section
// 3.1), or "".
func repeated(values url.Values) string {
	for name, all := range values {
		if len(all) > 1 {
			return name
		}
	}
	return ""
}

// credentials are a client's id and secret, from the one place that carries
// them (RFC 6749, section 2.3.1).
func credentials(r *http.Request, values url.Values) (id, secret string, ok bool) {
	user, password, basic := r.BasicAuth()
	if !basic {
		return values.Get("client_id"), values.Get("client_secret"), r.Header.Get("Authorization") == ""
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(password)
	if err != nil || values.Has("client_secret") || (values.Has("client_id") && values.Get("client_id") != id) {
		return "", "", false
	}
	return id, secret, true
}

// same compares secrets without telling by its duration how far they agree.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return a != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// asked is the audience that a request asks for, by either name.
func asked(values url.Values) (string, bool) {
	audience, resource := values.Get("audience"), values.Get("resource")
	if audience == "" {
		return resource, true
	}
	return audience, resource == "" || resource == audience
}
