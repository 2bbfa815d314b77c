package idp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/strict"
)

const (
	// keyBits and RS256: every OpenID Connect client verifies it, a Temporal
	// server and its UI among them.
	keyBits    = 2048
	keyBlock   = "PRIVATE KEY"
	secretFile = "secrets.json"
)

// issuer is one of the two issuers: its name and its key.
type issuer struct {
	url    string
	public jose.JSONWebKey
	access jose.Signer // of access tokens
	id     jose.Signer // of ID tokens
}

func newIssuer(url, dir, file string) (*issuer, error) {
	key, err := loadKey(dir, file)
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("naming the key of %s: %w", url, err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	i := &issuer{url: url, public: public}
	for typ, signer := range map[jose.ContentType]*jose.Signer{typAccess: &i.access, typID: &i.id} {
		*signer, err = jose.NewSigner(
			jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
			(&jose.SignerOptions{}).WithType(typ),
		)
		if err != nil {
			return nil, fmt.Errorf("a signer for %s: %w", url, err)
		}
	}
	return i, nil
}

// loadKey reads a key, or makes it at the first start.
func loadKey(dir, file string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, file)
	data, err := strict.Private(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("%s: must hold a PEM block of type %s; remove the file to have a new key made", path, keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove the file to have a new key made", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: holds a %T and must hold an RSA key", path, parsed)
	}
	return key, nil
}

func makeKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, writeSecret(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
}

// secrets of agents and clients, by id.
type secrets map[string]string

// loadSecrets keeps the secrets that were made before, and makes those that
// are missing.
func loadSecrets(opts Options) (secrets, error) {
	path := filepath.Join(opts.Dir, secretFile)
	kept := secrets{}
	data, err := strict.Private(path)
	if err == nil {
		err = strict.Decode(data, &kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w; remove the file to have new secrets made", path, err)
	}
	given, made := secrets{}, false
	need := func(id, secret string) {
		if given[id] = secret; secret != "" {
			return
		}
		if kept[id] == "" {
			kept[id], made = rand.Text(), true
		}
		given[id] = kept[id]
	}
	for _, a := range opts.Agents {
		need(a.ID, a.Secret)
	}
	for _, c := range opts.Clients {
		if !c.Public {
			need(c.ID, c.Secret)
		}
	}
	if !made {
		return given, nil
	}
	if data, err = json.MarshalIndent(kept, "", "  "); err != nil {
		return nil, err
	}
	return given, writeSecret(path, append(data, '\n'))
}

// writeSecret replaces a file as a whole.
func writeSecret(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return strict.WritePrivate(path, data)
}
