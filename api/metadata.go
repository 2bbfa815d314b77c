package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// metadataPath is where a client learns which servers issue tokens for the
// gateway (RFC 9728). The path of a resource follows it.
const metadataPath = "/.well-known/oauth-protected-resource"

// resourceView describes the gateway to a client without a token.
type resourceView struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name"`
}

// metadata describes the whole API, or its door for MCP, from the configuration
// alone: nothing in a request can name another issuer.
func (s *Server) metadata(c echo.Context, _ sallyport.Identity) error {
	return respond(c, http.StatusOK, resourceView{
		Resource:             s.external(strings.TrimPrefix(c.Path(), metadataPath)),
		AuthorizationServers: orEmpty(s.opts.AgentIssuers()),
		BearerMethods:        []string{"header"},
		Name:                 "Sallyport",
	})
}

// external is the address of a path for clients.
func (s *Server) external(path string) string {
	return strings.TrimSuffix(s.opts.ExternalURL.String(), "/") + path
}

// challenge is the WWW-Authenticate header of a problem (RFC 6750), or "". It
// says where a client learns which issuer to ask for a token.
func (s *Server) challenge(path string, p *problem) string {
	challenge := `Bearer realm="sallyport"`
	switch {
	case p.Status == http.StatusUnauthorized && p.Code == sallyport.CodeNoToken:
	case p.Status == http.StatusUnauthorized:
		challenge += `, error="invalid_token"`
	case p.Code == sallyport.CodeNotAnAgent && path == mcpPath:
		challenge += `, error="insufficient_scope"`
	default:
		return ""
	}
	if s.opts.ExternalURL != nil {
		resource := ""
		if path == mcpPath {
			resource = mcpPath
		}
		challenge += `, resource_metadata="` + s.external(metadataPath+resource) + `"`
	}
	return challenge
}
