package idp

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/strict"
)

// InstanceTokenHeader carries the token that guards POST /dev/token. A web
// page can't send it from another origin.
const InstanceTokenHeader = "Sallyport-Instance-Token"

// TokenRequest is the body of POST /dev/token.
type TokenRequest struct {
	As         string `json:"as"`                    // an agent or a person
	Audience   string `json:"audience,omitempty"`    // "" means DefaultAudience
	TTLSeconds int    `json:"ttl_seconds,omitempty"` // 0 means an hour
}

// devToken gives a caller with the instance token a token of any person or agent.
func (p *Provider) devToken(w http.ResponseWriter, r *http.Request) {
	if !same(p.opts.InstanceToken, r.Header.Get(InstanceTokenHeader)) {
		writeJSON(w, http.StatusUnauthorized, oauthError{
			Code: "invalid_client", Description: "send this instance's token in the header " + InstanceTokenHeader,
		})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, "invalid_request", "the body can't be read")
		return
	}
	var request TokenRequest
	if err := strict.Decode(body, &request); err != nil {
		refuse(w, "invalid_request", err.Error())
		return
	}
	ttl := time.Duration(request.TTLSeconds) * time.Second
	if ttl == 0 {
		ttl = defaultTTL
	}
	token, err := p.Token(request.As, request.Audience, ttl)
	if err != nil {
		refuse(w, "invalid_request", err.Error())
		return
	}
	p.opts.Logger.InfoContext(r.Context(), "token given to the command line",
		slog.String("subject", request.As), slog.String("audience", request.Audience))
	writeJSON(w, http.StatusOK, tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(ttl.Seconds())})
}
