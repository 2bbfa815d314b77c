package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Redact is a [slog.HandlerOptions] ReplaceAttr that keeps secrets out of
// logs. It drops the value of an attribute, or of everything in a group,
// whose key has a word such as token, authorization, secret or password in
// it; and in whatever else would be written, tokens, bearer credentials and
// passwords in URLs. It is the last line and not the first: nothing that
// holds a secret should be logged to begin with.
func Redact(groups []string, a slog.Attr) slog.Attr {
	if isSecretKey(a.Key) || slices.ContainsFunc(groups, isSecretKey) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(scrub(a.Value.String()))
	case slog.KindAny:
		a.Value = redactAny(a.Value)
	default:
	}
	return a
}

// redactAny leaves a value of no particular kind to the handler, unless the
// text that the handler would make of it holds a secret.
func redactAny(v slog.Value) slog.Value {
	if err, ok := v.Any().(error); ok {
		return slog.StringValue(scrub(err.Error()))
	}
	text := fmt.Sprintf("%+v", v.Any())
	if members, err := json.Marshal(v.Any()); err == nil {
		text += string(members)
	}
	if secretMember.MatchString(text) || scrub(text) != text {
		return slog.StringValue(redacted)
	}
	return v
}

// secretWords are the words of keys whose values are secret.
const secretWords = `token|tokens|jwt|jws|authorization|secret|secrets|password|passwd|passphrase|cookie|cookies|credential|credentials|bearer|apikey|privatekey`

var (
	secretKey    = regexp.MustCompile(`(?i)(^|[_.\-])(` + secretWords + `|(api|private|signing|secret)[_\-]key)($|[_.\-])`)
	secretMember = regexp.MustCompile(`(?i)(` + secretWords + `)"?:`)

	// Compact JWS and JWE: base64url of a JSON object, then more of base64url.
	jws      = regexp.MustCompile(`\beyJ[A-Za-z0-9_\-]{6,}(\.[A-Za-z0-9_\-]*){2,4}`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}`)
	userinfo = regexp.MustCompile(`(://[^/\s:@]*):[^/\s@]+@`)
	pemKey   = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

func isSecretKey(key string) bool { return secretKey.MatchString(snake(key)) }

// snake separates the words of a key that is written in camel case.
func snake(key string) string {
	var b strings.Builder
	lower := false
	for _, r := range key {
		upper := r >= 'A' && r <= 'Z'
		if upper && lower {
			b.WriteByte('_')
		}
		b.WriteRune(r)
		lower = !upper
	}
	return b.String()
}

// scrub replaces the secrets that their form alone gives away.
func scrub(s string) string {
	s = jws.ReplaceAllString(s, redacted)
	s = bearer.ReplaceAllString(s, "$1 "+redacted)
	s = userinfo.ReplaceAllString(s, "$1:"+redacted+"@")
	return pemKey.ReplaceAllString(s, redacted)
}
