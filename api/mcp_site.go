package api

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// sameSite refuses requests that a page of another site makes in a browser: by
// the page's Origin, or by a name that its site gave to this machine's loopback
// address (DNS rebinding). A program that is no browser sends no Origin.
func (s *Server) sameSite(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	here := local != nil && thisMachine(local.String())
	known := func(host string) bool {
		return s.opts.ExternalURL != nil && strings.EqualFold(host, s.opts.ExternalURL.Host) || here && thisMachine(host)
	}
	if here && !known(r.Host) {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeForeignSite, "the Host header names neither this machine's loopback address nor the host of api.external_url")
	}
	origin := r.Header.Get(echo.HeaderOrigin)
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || !known(u.Host) {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeForeignSite, "the Origin header names a page of another site")
	}
	return nil
}

// thisMachine reports whether a host, with or without a port, is a loopback
// address or localhost, which browsers resolve by themselves.
func thisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.EqualFold(host, "localhost") || strict.Loopback(strings.Trim(host, "[]"))
}
