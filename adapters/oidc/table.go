package oidc

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Kind is the kind of identities that an issuer authenticates.
type Kind string

// The kinds of issuer. An issuer of agents never authenticates a person,
// whatever its tokens claim, and the other way round.
const (
	KindAgent  Kind = "agent"
	KindPerson Kind = "person"
)

// Table is the identity table as its YAML file spells it. Unknown keys are
// rejected.
type Table struct {
	Issuers []Issuer `yaml:"issuers"`
	Agents  []Agent  `yaml:"agents"`
	People  []Person `yaml:"people"`
}

// Issuer is one issuer of identities.
type Issuer struct {
	// URL is the issuer's identifier, exactly as its tokens spell it in iss.
	// It is https, or http on a loopback address.
	URL string `yaml:"url"`
	// Kind is agent or person.
	Kind Kind `yaml:"kind"`
	// Audiences are the values of aud that mean us. A token must have one.
	Audiences []string `yaml:"audiences"`
	// VoteAudience is the aud of ID tokens that are votes: the client id of the
	// application by which people vote, and of nothing else. None means that
	// this issuer's people can't vote by ID token. Only for kind person.
	VoteAudience string `yaml:"vote_audience"`
	// Algorithms are the signature algorithms that tokens may use: RS256,
	// RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA. None
	// means RS256 and ES256.
	Algorithms []string `yaml:"algorithms"`
	// JWKS is the path of a file with the issuer's keys (RFC 7517), relative
	// to the table. Without it keys come by discovery.
	JWKS string `yaml:"jwks"`
	// MaxAge is how old a token may be, by its iat, however long it is valid:
	// from 1m to 24h. None means 1h.
	MaxAge time.Duration `yaml:"max_age"`
}

// Agent is one agent: an account, and the person who owns it.
type Agent struct {
	ID      string   `yaml:"id"`
	Issuer  string   `yaml:"issuer"`
	Subject string   `yaml:"subject"`
	Owner   string   `yaml:"owner"` // id of a person below
	Groups  []string `yaml:"groups"`
	// Clients are the client ids that identity providers know the agent by,
	// where they are neither its subject nor its id. A token that a client of
	// these holds is no person's, whatever its subject is.
	Clients []string `yaml:"clients"`
}

// names are all client ids that can mean the agent.
func (a Agent) names() []string { return append([]string{a.Subject, a.ID}, a.Clients...) }

// Person is one person, with any number of accounts.
type Person struct {
	ID       string    `yaml:"id"`
	Groups   []string  `yaml:"groups"`
	Accounts []Account `yaml:"accounts"`
}

// Account is one subject of one issuer.
type Account struct {
	Issuer  string `yaml:"issuer"`
	Subject string `yaml:"subject"`
}

const (
	defaultMaxAge = time.Hour
	leastMaxAge   = time.Minute
	mostMaxAge    = 24 * time.Hour
)

// algorithms are those that can be allowed: all of go-jose's with a public
// key. HMAC is not among them, since an issuer's keys are public.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

func defaultAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
}
