package oidc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxToken   = 16 << 10 // bytes; HTTP servers rarely take longer headers
	maxSubject = 255      // OpenID Connect Core 1.0, section 2
	maxKeyID   = 256
)

// header is what we read of a JOSE header (RFC 7515, section 4.1).
type header struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`

	// A token must not say where its keys are, nor ask for what we don't do.
	JWK  jsontext.Value `json:"jwk"`
	JKU  jsontext.Value `json:"jku"`
	X5U  jsontext.Value `json:"x5u"`
	Crit jsontext.Value `json:"crit"`
	B64  jsontext.Value `json:"b64"`
}

// claims are those that are read from a token. All others are ignored.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  *float64 `json:"exp"`
	Issued   *float64 `json:"iat"`
	Begins   *float64 `json:"nbf"`

	// Actor is the party that acts for the subject (RFC 8693, section 4.1);
	// may_act (section 4.4) only permits the issuer to issue such a token.
	Actor jsontext.Value `json:"act"`

	// The client that the token was issued to, as issuers spell it, besides azp.
	Client     any `json:"client_id"` // RFC 9068, section 2.2
	ClientOkta any `json:"cid"`
	ClientV1   any `json:"appid"` // Entra, version 1

	// Only read from ID tokens that vote, but for azp.
	Nonce      any `json:"nonce"`
	Authorized any `json:"azp"` // the client again: OpenID Connect Core 1.0, section 2
	LoggedIn   any `json:"auth_time"`
}

// audience is one string or several.
type audience []string

// UnmarshalJSON reads either.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var one string
		err := json.Unmarshal(data, &one)
		*a = audience{one}
		return err
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// parseToken parses a compact JWT. It verifies no signature.
func parseToken(token string) (header, claims, error) {
	var h header
	var c claims
	if len(token) > maxToken {
		return h, c, fmt.Errorf("it is longer than %d bytes", maxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return h, c, errors.New("it is not a JWT in compact form")
	}
	for i, into := range []any{&h, &c} {
		data, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return h, c, errors.New("it is not a JWT in compact form")
		}
		// This decoder rejects JSON that two parsers could read in two ways:
		// duplicate names, other cases, invalid UTF-8, trailing data. It
		// ignores unknown members.
		if err := json.Unmarshal(data, into); err != nil {
			return h, c, errors.New("its header or its claims are not JSON as RFC 7519 wants it")
		}
	}
	if h.JWK != nil || h.JKU != nil || h.X5U != nil || h.Crit != nil || h.B64 != nil {
		return h, c, errors.New("its header carries one of jwk, jku, x5u, crit and b64, which are not accepted")
	}
	if len(h.Kid) > maxKeyID {
		return h, c, fmt.Errorf("its key id is longer than %d bytes", maxKeyID)
	}
	return h, c, checkType(h.Typ)
}

// checkType keeps out what is signed by the same keys for other purposes,
// such as logout tokens and DPoP proofs. Kubernetes and many providers write
// no type, which RFC 7519 reads as JWT.
func checkType(typ string) error {
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "at+jwt":
		return nil
	default:
		return fmt.Errorf("its type is %.40q and must be at+jwt or JWT", typ)
	}
}

// numericDate reads seconds since the epoch (RFC 7519, section 2). Dates that
// no token can have are rejected.
func numericDate(seconds *float64) (time.Time, bool) {
	const year10000 = 253402300800
	if seconds == nil || *seconds <= 0 || *seconds >= year10000 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), true
}
