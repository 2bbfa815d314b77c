package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Sizes of secrets, in bytes, as Standard Webhooks recommends them.
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecret reads a secret as Standard Webhooks writes it: standard base64,
// with or without the prefix "whsec_". Its errors don't quote it.
func ParseSecret(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "whsec_"))
	if err != nil {
		return nil, errors.New("the secret is not valid; want standard base64, with or without the prefix whsec_")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return nil, errors.New("the secret must have 24 to 64 bytes; make one with: head -c 32 /dev/urandom | base64")
	}
	return key, nil
}

// sign is the value of the header webhook-signature: one signature per
// secret, so that a receiver may have the old or the new one.
func sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(secrets))
	for i, key := range secrets {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
