package api

import (
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// identify finds the sender of a request by its bearer token (RFC 6750).
func (s *Server) identify(c echo.Context) (sallyport.Identity, error) {
	token, err := bearer(c.Request().Header.Values(echo.HeaderAuthorization))
	if err != nil {
		return sallyport.Identity{}, err
	}
	who, err := s.opts.Identifier.Identify(c.Request().Context(), token)
	if err != nil {
		return sallyport.Identity{}, err
	}
	if (who.Agent == nil) == (who.Person == nil) {
		return sallyport.Identity{}, sallyport.Errorf(sallyport.Internal, sallyport.CodeBadIdentity, "the identifier named neither or both of an agent and a person")
	}
	exchangeOf(c).identity = identityID(who)
	return who, nil
}

// identifyAs is identify for a route with an audience. With an error goes the
// identity as far as it is known.
func (s *Server) identifyAs(c echo.Context, a audience) (sallyport.Identity, error) {
	who, err := s.identify(c)
	if err == nil {
		err = check(a, who)
	}
	return who, err
}

func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", sallyport.Errorf(sallyport.Unauthenticated, sallyport.CodeNoToken, "send a token: Authorization: Bearer …")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, notTokenChar) {
		return "", sallyport.Errorf(sallyport.Unauthenticated, sallyport.CodeBadToken, "the Authorization header must be one, of the form: Bearer <token>")
	}
	return token, nil
}

// notTokenChar reports whether RFC 6750 allows no r in a bearer token.
func notTokenChar(r rune) bool {
	return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", r)
}

// identityKey tells agents from people of the same name.
func identityKey(who sallyport.Identity) string {
	if who.Agent != nil {
		return "agent/" + who.Agent.ID
	}
	return "person/" + who.Person.ID
}

func identityID(who sallyport.Identity) string {
	if who.Agent != nil {
		return who.Agent.ID
	}
	return who.Person.ID
}
