package idp

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed page.html
var pageText string

// page is what people see: the log-in page, or one message.
type page struct {
	Style   string // nonce of the style sheet
	Title   string
	Message string

	Login   bool
	Request string // key of the request that waits
	Client  string
	People  []PersonEntry
	Suggest string // who logged in last, or is hinted at
}

// showLogin lets the form go to us, and from us on to the client: browsers
// hold form-action against redirects too.
func (p *Provider) showLogin(w http.ResponseWriter, key string, a authorization, suggest string) {
	if a.hint != "" {
		suggest = a.hint
	}
	name := a.client.Name
	if name == "" {
		name = a.client.ID
	}
	target, err := url.Parse(a.redirect)
	if err != nil {
		p.showError(w, http.StatusInternalServerError, "The redirect_uri can't be read.")
		return
	}
	p.show(w, http.StatusOK, "'self' "+target.Scheme+"://"+target.Host, page{
		Title: "Who are you?", Login: true, Request: key, Client: name, People: p.opts.People, Suggest: suggest,
	})
}

func (p *Provider) showError(w http.ResponseWriter, status int, message string) {
	p.show(w, status, "'none'", page{Title: "This log-in does not work", Message: message})
}

func (p *Provider) showLoggedOut(w http.ResponseWriter) {
	p.show(w, http.StatusOK, "'none'", page{Title: "You are logged out", Message: "You may close this page."})
}

func (p *Provider) show(w http.ResponseWriter, status int, formAction string, content page) {
	content.Style = rand.Text()
	var out bytes.Buffer
	t, err := template.New("page").Parse(pageText)
	if err == nil {
		err = t.Execute(&out, content)
	}
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", fmt.Sprintf(
		"default-src 'none'; style-src 'nonce-%s'; form-action %s; base-uri 'none'; frame-ancestors 'none'", content.Style, formAction))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the browser sees what is missing
}
