// Package gateway puts the parts together: it reads the configuration and
// starts an API server and a worker from it, in one process or in two.
package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/strict"
)

// Config is the configuration file. Relative paths in it are relative to the
// file. Every secret is a path of a file that holds it.
type Config struct {
	API        APIConfig           `yaml:"api"`
	Worker     WorkerConfig        `yaml:"worker"`
	Temporal   TemporalConfig      `yaml:"temporal"`
	Payloads   []PayloadKey        `yaml:"payload_keys"` // the first encrypts, all decrypt
	Signing    SigningConfig       `yaml:"signing"`
	Ledger     LedgerConfig        `yaml:"ledger"`
	Limits     LimitsConfig        `yaml:"limits"`
	Policies   string              `yaml:"policies"`   // directory of Rego and data; empty means the built-in ones
	Tools      string              `yaml:"tools"`      // directory of manifests that add to the built-in ones or replace them
	Identities string              `yaml:"identities"` // the identity table
	Sandbox    SandboxConfig       `yaml:"sandbox"`
	Kubernetes *KubernetesConfig   `yaml:"kubernetes"` // empty runs nothing in Kubernetes
	Git        GitConfig           `yaml:"git"`
	Log        telemetry.LogConfig `yaml:"log"`
	Sweep      SweepConfig         `yaml:"sweep"`

	Notifications *NotificationConfig `yaml:"notifications"` // empty sends none
}

// APIConfig is about the API: REST and MCP.
type APIConfig struct {
	Listen         string        `yaml:"listen"`           // host:port
	ExternalURL    string        `yaml:"external_url"`     // base URL for clients; empty tells none where to get a token
	MaxWait        time.Duration `yaml:"max_wait"`         // the longest Prefer: wait; default 60s
	JoinWrites     time.Duration `yaml:"join_writes"`      // how long a write by MCP without a key joins its like; 0 joins none
	CallsPerSecond rate.Limit    `yaml:"calls_per_second"` // of one agent, sustained
	CallsBurst     int           `yaml:"calls_burst"`      // of one agent, at once
	ReadsPerSecond rate.Limit    `yaml:"reads_per_second"` // of one agent or person, sustained
	ReadsBurst     int           `yaml:"reads_burst"`      // of one agent or person, at once
	OperatorGroups []string      `yaml:"operator_groups"`  // people who see every call and may cancel it
	AuditorGroups  []string      `yaml:"auditor_groups"`   // people who see every call
}

// WorkerConfig is about the program that runs calls.
type WorkerConfig struct {
	Listen string `yaml:"listen"` // host:port of its /metrics and /healthz, for operators alone; empty serves none
}

// TemporalConfig says where Temporal is, and how people use its Web UI.
type TemporalConfig struct {
	temporal.Config `yaml:",inline"`

	UI              string `yaml:"ui"`               // base URL of the Web UI, for links to approvers
	UIAudience      string `yaml:"ui_audience"`      // audience of the tokens with which the Web UI asks us to decode payloads; empty decodes none
	PrincipalIssuer string `yaml:"principal_issuer"` // issuer of the subjects that the server stamps on signals; empty refuses votes by signal
}

// PayloadKey encrypts the payloads in workflow histories.
type PayloadKey struct {
	ID   string `yaml:"id"`
	File string `yaml:"file"` // 32 bytes in standard base64
}

// SigningConfig is about the API's signature on calls and votes.
type SigningConfig struct {
	PrivateKeyFile string `yaml:"private_key_file"` // PKCS #8 PEM, Ed25519; the API has it, the worker must not
	PublicKeysFile string `yaml:"public_keys_file"` // SPKI PEM, one or more; the worker has it
}

// LedgerConfig is about the ledger, which is in SQLite or in PostgreSQL.
type LedgerConfig struct {
	Path    string   `yaml:"path"`     // the SQLite database
	DSNFile string   `yaml:"dsn_file"` // a file with the address of the PostgreSQL database, which `sallyport-gateway ledger migrate` has made
	KeyFile string   `yaml:"key_file"` // the signed-note key that signs checkpoints
	OldKeys []string `yaml:"old_keys"` // files with the public keys that it has replaced
	// Retention is how long the contents of calls are kept after their end, until
	// `sallyport-gateway ledger erase --expired` erases them. Zero keeps them for good.
	Retention time.Duration `yaml:"retention"`
	Tiles     string        `yaml:"tiles"` // which callers may read the log under /ledger/: an [api.TileReaders]
}

// LimitsConfig has the agents' hard limits: policy cannot raise them.
type LimitsConfig struct {
	Limits `yaml:",inline"`

	AtWork int               `yaml:"at_work"` // open calls of all agents that do not wait for approval; 0 is no limit
	Agents map[string]Limits `yaml:"agents"`  // by id, instead of the above
}

// Limits are those of one agent.
type Limits struct {
	CallsPerMinute int   `yaml:"calls_per_minute"` // received; 0 is no limit
	Running        int   `yaml:"running"`          // open calls that do not wait for approval; 0 is no limit
	Waiting        int   `yaml:"waiting"`          // open calls that wait for approval; 0 is no limit
	BytesPerDay    int64 `yaml:"bytes_per_day"`    // received; 0 is no limit
}

// of are an agent's limits.
func (c LimitsConfig) of(agent string) sallyport.Limits {
	l, ok := c.Agents[agent]
	if !ok {
		l = c.Limits
	}
	return sallyport.Limits(l)
}

// SandboxConfig is about the sandbox runner.
type SandboxConfig struct {
	Disabled bool   `yaml:"disabled"` // no sandbox, and no tool that needs it; a pod can't have one
	Executor string `yaml:"executor"` // the toolexec binary; empty means the one beside this program
}

// KubernetesConfig is about the kube runner.
type KubernetesConfig struct {
	Kubeconfig    string        `yaml:"kubeconfig"`      // empty means the cluster that the worker runs in
	Namespace     string        `yaml:"namespace"`       // where Jobs run
	Targets       []string      `yaml:"targets"`         // namespaces that calls may be about
	ExecutorImage string        `yaml:"executor_image"`  // of the built-in tools, by digest
	APIServer     []string      `yaml:"api_server"`      // host:port of the API server's own addresses, for network policies; CIDR:port too
	Annotations   []string      `yaml:"annotations"`     // that manifests may set, beside the tool's own; keys, and prefixes that end with a slash
	ImageKeys     []string      `yaml:"image_keys"`      // PEM files of public keys that sign tools' images; empty verifies none
	TTL           time.Duration `yaml:"ttl"`             // how long a Job is kept after its outcome is recorded
	ScheduleTime  time.Duration `yaml:"schedule_within"` // how long a pod may find no node
	Reply         *ReplyConfig  `yaml:"reply"`           // empty reads all outcomes from logs
}

// ReplyConfig is about the result receiver, to which executors bring their outcomes.
type ReplyConfig struct {
	Listen    string            `yaml:"listen"`    // host:port
	Address   string            `yaml:"address"`   // IP:port under which pods reach it; empty means this machine's address towards the API server
	Namespace string            `yaml:"namespace"` // of the worker's pod
	Labels    map[string]string `yaml:"labels"`    // of the worker's pod, for network policies
}

// GitConfig is the repository that the gitops tools work on.
type GitConfig struct {
	Repository string `yaml:"repository"` // path of a bare repository; empty means that there is none
	Branch     string `yaml:"branch"`
	Name       string `yaml:"name"`  // of the committer
	Email      string `yaml:"email"` // of the committer
	// Environments are the namespaces that objects of an environment (a
	// directory of the repository) may name. One that is not listed has the
	// namespace of its name.
	Environments map[string][]string `yaml:"environments"`
}

// SweepConfig is about calls that lost their workflow.
type SweepConfig struct {
	Every    time.Duration `yaml:"every"`     // how often to look
	Grace    time.Duration `yaml:"grace"`     // how long a call may rest before it is looked at
	RunGrace time.Duration `yaml:"run_grace"` // how long a started run may rest; longer than any tool's limit
}

// NotificationConfig says where the worker sends notifications when a call begins
// to wait for approval, is decided or expires.
type NotificationConfig struct {
	URL         string   `yaml:"url"`          // where CloudEvents are posted to: https, or http to a loopback address
	SecretFiles []string `yaml:"secret_files"` // 24 to 64 bytes in standard base64 each, with or without whsec_; all sign, so that they can be rotated
}

// Load reads a configuration file. Keys that it doesn't set have the values of
// [Defaults]; unknown keys are rejected with their line number.
func Load(path string) (Config, error) {
	c := Defaults()
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("the configuration can't be read: %w", err)
	}
	faults, err := strict.Document(path, data, &c)
	if err != nil {
		return c, err
	}
	c.Kubernetes.fill()
	if err := (&checker{faults}).check(c); err != nil {
		return c, err
	}
	c.resolve(filepath.Dir(path))
	return c, nil
}

// Defaults are the values of keys that a configuration file doesn't set.
func Defaults() Config {
	return Config{
		API:      APIConfig{Listen: "127.0.0.1:8080", MaxWait: time.Minute, JoinWrites: time.Minute, CallsPerSecond: 20, CallsBurst: 50, ReadsPerSecond: 200, ReadsBurst: 1000},
		Temporal: TemporalConfig{Config: temporal.Config{Address: "127.0.0.1:7233", Namespace: "default"}},
		Ledger:   LedgerConfig{Tiles: string(api.TilesNobody)},
		Limits:   LimitsConfig{Limits: Limits{CallsPerMinute: 1200, Running: 64, Waiting: 1000, BytesPerDay: 1 << 30}, AtWork: 128},
		Git:      GitConfig{Branch: "main", Name: "Sallyport", Email: "sallyport@localhost"},
		Log:      telemetry.LogConfig{Level: "info", Format: "text"},
		Sweep:    SweepConfig{Every: 30 * time.Second, Grace: time.Minute, RunGrace: 20 * time.Minute},
	}
}

// resolve makes paths absolute.
func (c *Config) resolve(dir string) {
	paths := []*string{
		&c.Temporal.TokenFile, &c.Signing.PrivateKeyFile, &c.Signing.PublicKeysFile, &c.Ledger.Path, &c.Ledger.DSNFile, &c.Ledger.KeyFile,
		&c.Policies, &c.Tools, &c.Identities, &c.Sandbox.Executor, &c.Git.Repository,
	}
	if t := c.Temporal.TLS; t != nil {
		paths = append(paths, &t.CAFile, &t.CertFile, &t.KeyFile)
	}
	if k := c.Kubernetes; k != nil {
		paths = append(paths, &k.Kubeconfig)
		for i := range k.ImageKeys {
			paths = append(paths, &k.ImageKeys[i])
		}
	}
	if n := c.Notifications; n != nil {
		for i := range n.SecretFiles {
			paths = append(paths, &n.SecretFiles[i])
		}
	}
	for i := range c.Ledger.OldKeys {
		paths = append(paths, &c.Ledger.OldKeys[i])
	}
	for i := range c.Payloads {
		paths = append(paths, &c.Payloads[i].File)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
