package instance

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/policies"
)

// state is the directory of an instance. What is in it is made at the first
// start and kept over restarts.
type state struct{ dir string }

func (s state) path(name string) string { return filepath.Join(s.dir, name) }

// lock keeps a second instance out of the directory. The kernel lets go of it
// when the process ends, however it ends.
func (s state) lock() (release func() error, err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another instance works in %s: stop it first, or use it", s.dir), f.Close())
	}
	return f.Close, nil
}

// prepare makes what isn't there yet.
func (s state) prepare() error {
	if err := s.signingKeys(); err != nil {
		return fmt.Errorf("the API's signing key: %w", err)
	}
	key, err := ledger.LoadOrCreateKey(s.path("ledger.key"), "sallyport-dev")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("ledger.pub"), []byte(key.Public+"\n"), 0o644); err != nil {
		return err
	}
	if err := s.once("payload.key", func() ([]byte, error) {
		secret, err := random(32)
		return []byte(base64.StdEncoding.EncodeToString(secret) + "\n"), err
	}); err != nil {
		return err
	}
	if err := s.copyPolicies(); err != nil {
		return fmt.Errorf("the policies: %w", err)
	}
	if err := seedRepository(s.path("demo.git")); err != nil {
		return fmt.Errorf("the demo's repository: %w", err)
	}
	return nil
}

func (s state) signingKeys() error {
	key, err := jws.LoadPrivateKey(s.path("api.key"))
	if errors.Is(err, fs.ErrNotExist) {
		key, err = jws.CreateKey(s.path("api.key"))
	}
	if err != nil {
		return err
	}
	pub, err := jws.PublicPEM(publicOf(key))
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("api.pub"), pub, 0o644)
}

// WebhookSecret is the file of the secret that notifications are signed with.
const WebhookSecret = "webhook.secret"

func (s state) webhookSecret() error {
	return s.once(WebhookSecret, func() ([]byte, error) {
		secret, err := random(32)
		return []byte("whsec_" + base64.StdEncoding.EncodeToString(secret) + "\n"), err
	})
}

// once writes a secret file that isn't there.
func (s state) once(name string, content func() ([]byte, error)) error {
	if _, err := os.Stat(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := content()
	if err != nil {
		return err
	}
	return os.WriteFile(s.path(name), b, 0o600)
}

// copyPolicies gives the instance policies of its own, to be edited while it
// runs. They differ from the built-in ones in that it is always business
// hours.
func (s state) copyPolicies() error {
	dir := s.path("policies")
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.CopyFS(tmp, policies.Development()); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// provider says where the identity provider was asked to listen, and where it
// did.
type provider struct {
	Asked  string `json:"asked"`
	Listen string `json:"listen"`
}

// earlier is where the identity provider listened when it was asked for this
// address before, or the address.
func (s state) earlier(addr string) string {
	var p provider
	b, err := os.ReadFile(s.path("provider.json"))
	if err != nil || json.Unmarshal(b, &p) != nil || p.Asked != addr {
		return addr
	}
	return p.Listen
}

func (s state) remember(asked, listen string) error {
	b, err := json.Marshal(provider{asked, listen})
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("provider.json"), b, 0o600)
}

func random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := rand.Read(b)
	return b, err
}

func randomToken() (string, error) {
	b, err := random(32)
	return hex.EncodeToString(b), err
}
