package oidc

import (
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/adapters/oidc/jwks"
)

// issuer is an entry of the table, ready to check tokens.
type issuer struct {
	url        string
	kind       Kind
	audiences  []string
	votes      string // the audience of votes, or ""
	algorithms []jose.SignatureAlgorithm
	maxAge     time.Duration
	keys       jwks.Source
}

// newIssuer keeps the keys that an issuer's predecessor has fetched.
func (i *Identities) newIssuer(entry Issuer, set []jose.JSONWebKey, old *snapshot) *issuer {
	made := &issuer{
		url: entry.URL, kind: entry.Kind, audiences: entry.Audiences, votes: entry.VoteAudience,
		algorithms: defaultAlgorithms(), maxAge: defaultMaxAge,
	}
	if len(entry.Algorithms) > 0 {
		made.algorithms = nil
		for _, alg := range entry.Algorithms {
			made.algorithms = append(made.algorithms, jose.SignatureAlgorithm(alg))
		}
	}
	if entry.MaxAge != 0 {
		made.maxAge = entry.MaxAge
	}
	if entry.JWKS != "" {
		made.keys = jwks.File(set)
		return made
	}
	if old != nil && old.issuers[entry.URL] != nil {
		if remote, ok := old.issuers[entry.URL].keys.(*jwks.Remote); ok {
			made.keys = remote
			return made
		}
	}
	logger := i.opts.Logger.With(slog.String("issuer", entry.URL))
	made.keys = jwks.NewRemote(entry.URL, i.opts.Client, i.opts.Now, logger)
	return made
}
