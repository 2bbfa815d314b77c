package gateway_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/gateway"
)

// least is the least that a configuration must say.
const least = `identities: identities.yaml
ledger: {path: ledger.db, key_file: ledger.key}
payload_keys: [{id: k1, file: payload.key}]
`

func load(t *testing.T, text string) (gateway.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateway.Load(path)
}

func TestDefaults(t *testing.T) {
	got, err := load(t, least)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(got.Identities)
	want := gateway.Defaults()
	want.Identities = filepath.Join(dir, "identities.yaml")
	want.Ledger = gateway.LedgerConfig{Path: filepath.Join(dir, "ledger.db"), KeyFile: filepath.Join(dir, "ledger.key"), Tiles: string(api.TilesNobody)}
	want.Payloads = []gateway.PayloadKey{{ID: "k1", File: filepath.Join(dir, "payload.key")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestBadConfigurations(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string // in the error, each after the file's name
	}{
		"Empty":         {"", []string{":1: the file is empty"}},
		"NoYAML":        {least + "api: [", []string{":4: "}},
		"UnknownKey":    {least + "api:\n  lisen: 127.0.0.1:8080\n", []string{":5: field lisen not found"}},
		"UnknownAtTop":  {least + "secret: hunter2\n", []string{":4: field secret not found"}},
		"TwiceTheKey":   {least + "identities: other.yaml\n", []string{`:4: mapping key "identities" already defined at line 1`}},
		"TwoDocuments":  {least + "---\n" + least, []string{":4: there is a second document"}},
		"AnotherType":   {least + "api:\n  calls_burst: many\n", []string{":5: cannot unmarshal"}},
		"Duration":      {least + "api:\n  max_wait: soon\n", []string{":5: cannot unmarshal"}},
		"NoUnit":        {least + "sweep:\n  every: 30\n", []string{":5: "}},
		"NoTime":        {least + "sweep:\n  grace: 0s\n", []string{":5: sweep.grace must be more than 0"}},
		"NegativeTime":  {least + "sweep:\n  every: 1s\n  run_grace: -20m\n", []string{":6: sweep.run_grace must be more than 0"}},
		"NoWait":        {least + "api: {max_wait: 0s}\n", []string{":4: api.max_wait must be more than 0"}},
		"NoCalls":       {least + "api:\n  calls_per_second: 0\n  calls_burst: 0\n", []string{":5: api.calls_per_second must", ":6: api.calls_burst must"}},
		"Listen":        {least + "api:\n  listen: \"8080\"\n", []string{`:5: api.listen is "8080" and must be host:port`}},
		"WorkerListen":  {least + "worker:\n  listen: here\n", []string{`:5: worker.listen is "here" and must be host:port`}},
		"Address":       {least + "temporal:\n  address: \"\"\n", []string{`:5: temporal.address is ""`}},
		"PlainText":     {least + "temporal:\n  address: temporal.example.com:7233\n", []string{":5: temporal.address is temporal.example.com:7233, which is none of the loopback addresses (127.0.0.0/8 and ::1; write 127.0.0.1, not localhost): set temporal.tls"}},
		"PlainName":     {least + "temporal:\n  address: localhost:7233\n", []string{":5: temporal.address is localhost:7233, which is none of the loopback addresses"}},
		"PlainZone":     {least + "temporal:\n  address: '[::1%eth0]:7233'\n", []string{":5: temporal.address is [::1%eth0]:7233, which is none of the loopback addresses"}},
		"HalfATLS":      {least + "temporal:\n  tls:\n    cert_file: c.pem\n", []string{":5: temporal.tls has one of cert_file and key_file"}},
		"UI":            {least + "temporal:\n  ui: temporal.example.com\n", []string{`:5: temporal.ui is "temporal.example.com" and must be a URL`}},
		"Level":         {least + "log: {level: loud}\n", []string{`:4: log level "loud" is not debug`}},
		"Format":        {least + "log:\n  format: xml\n", []string{`:4: log telemetry: the log format is "xml"`}},
		"NoNamespaces":  {least + "git:\n  repository: r.git\n  environments:\n    staging: []\n", []string{":7: git.environments.staging must list namespaces"}},
		"NoBranch":      {least + "git:\n  repository: r.git\n  branch: \"\"\n", []string{":6: git.branch is missing"}},
		"AllAtOnce":     {"api: {}\n", []string{":1: identities is missing", ":1: ledger.path is missing", ":1: ledger.key_file is missing", ":1: payload_keys is missing"}},
		"HalfALedger":   {"identities: i.yaml\npayload_keys: [{id: k, file: f}]\nledger:\n  path: ledger.db\n", []string{":3: ledger.key_file is missing"}},
		"BadTiles":      {strings.Replace(least, "path: l", "tiles: all, retention: -1h, path: l", 1), []string{":2: ledger.tiles is \"all\"", ":2: ledger.retention must not be less than 0"}},
		"TwoLedgers":    {strings.Replace(least, "path: l", "path: l, dsn_file: d", 1), []string{":2: ledger.path and dsn_file are both set"}},
		"HalfAKey":      {"identities: i.yaml\nledger: {path: l, key_file: k}\npayload_keys:\n  - id: k1\n", []string{":3: payload_keys has an entry, number 1, without id or file"}},
		"NotifyNoURL":   {least + "notifications: {secret_files: [n.key]}\n", []string{":4: notifications.url must be a URL"}},
		"NotifyPlainly": {least + "notifications:\n  url: http://hooks.example.com/\n  secret_files: [n.key]\n", []string{":5: notifications.url must be https"}},
		"NotifyLocal":   {least + "notifications:\n  url: http://localhost/\n  secret_files: [n.key]\n", []string{":5: notifications.url must be https: plain http is only for the loopback addresses (127.0.0.0/8 and ::1; write 127.0.0.1, not localhost)"}},
		"NotifyByName":  {least + "notifications:\n  secret_files: [n.key]\n  url: https://u:p@hooks.example.com/\n", []string{":6: notifications.url must have no user"}},
		"NotifyUnsaid":  {least + "notifications:\n  url: https://hooks.example.com/\n", []string{":4: notifications.secret_files must name a file"}},
		"NotifyNoFile":  {least + "notifications:\n  url: https://hooks.example.com/\n  secret_files: [a, '']\n", []string{":6: notifications.secret_files must name a file"}},
		"NotifySecret":  {least + "notifications:\n  url: https://hooks.example.com/\n  secret: hunter2\n", []string{":6: field secret not found"}},
		"KubeNothing":   {least + "kubernetes: {}\n", []string{":4: kubernetes.namespace is missing", ":4: kubernetes.executor_image is missing", ":4: kubernetes.targets must name", ":4: kubernetes.api_server must name"}},
		"KubeByName":    {least + kube + "  api_server: [kubernetes.default:443]\n", []string{":8: kubernetes.api_server must name"}},
		"KubeBadCIDR":   {least + kube + "  api_server: [192.0.2.1/24:443]\n", []string{":8: kubernetes.api_server must name"}},
		"KubeNoPort":    {least + kube + "  api_server: [192.0.2.1]\n", []string{":8: kubernetes.api_server must name"}},
		"KubeTTL":       {least + kube + "  api_server: ['[2001:db8::1]:6443']\n  ttl: -1s\n", []string{":9: kubernetes.ttl must be more than 0"}},
		"KubeReply":     {least + kube + "  api_server: [192.0.2.1:6443]\n  reply:\n    listen: 0.0.0.0:8443\n    address: worker:8443\n", []string{":9: kubernetes.reply.namespace is missing", ":9: kubernetes.reply.labels must select", ":11: kubernetes.reply.address is"}},
		"SecretInPlace": {least + "signing:\n  private_key: |\n    -----BEGIN\n", []string{":5: field private_key not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), "sallyport.yaml"+want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
	if _, err := gateway.Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// kube is a section of Kubernetes that lacks where its API server is.
const kube = "kubernetes:\n  namespace: execution\n  executor_image: r.example/e@sha256:00\n  targets: [staging]\n"

const sample = "../deploy/sallyport.yaml"

// TestSample loads what is shipped, and wants it to mention every key.
func TestSample(t *testing.T) {
	c, err := gateway.Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	var visit func(path string, typ reflect.Type, v reflect.Value)
	visit = func(path string, typ reflect.Type, v reflect.Value) {
		for i := range typ.NumField() {
			key, field := typ.Field(i).Tag.Get("yaml"), v.Field(i)
			if key == ",inline" {
				visit(path, field.Type(), field)
				continue
			}
			if path+key == "ledger.dsn_file" { // it is instead of the path
				key = "# " + key
				field = reflect.ValueOf(sample)
			}
			if !regexp.MustCompile(`(?m)^ *(- )?` + key + `:`).Match(text) {
				t.Errorf("it does not mention %s%s", path, key)
			}
			if field.Kind() == reflect.Pointer {
				field = field.Elem()
			}
			switch {
			case !field.IsValid() || field.IsZero() && field.Kind() != reflect.Bool:
				t.Errorf("it gives %s%s no value", path, key)
			case field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[time.Duration]():
				visit(path+key+".", field.Type(), field)
			}
		}
	}
	visit("", reflect.TypeFor[gateway.Config](), reflect.ValueOf(c))
	if len(c.Payloads) < 2 {
		t.Error("it does not show how payload keys are rotated")
	}
	for _, path := range []string{c.Temporal.TokenFile, c.Signing.PrivateKeyFile, c.Payloads[1].File, c.Identities, c.Temporal.TLS.KeyFile, c.Notifications.SecretFiles[1]} {
		if !strings.HasPrefix(path, filepath.Dir(sample)+string(filepath.Separator)) {
			t.Errorf("the path %s is not relative to the file", path)
		}
	}
}

// TestSampleSaysTheDefaults: what the sample shows is what one gets without
// it, where it says nothing else.
func TestSampleSaysTheDefaults(t *testing.T) {
	got, err := gateway.Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.Defaults()
	for what, pair := range map[string][2]any{
		"api.listen":         {want.API.Listen, got.API.Listen},
		"api.max_wait":       {want.API.MaxWait, got.API.MaxWait},
		"api.calls":          {want.API.CallsPerSecond, got.API.CallsPerSecond},
		"api.calls_burst":    {want.API.CallsBurst, got.API.CallsBurst},
		"temporal.namespace": {want.Temporal.Namespace, got.Temporal.Namespace},
		"git.branch":         {want.Git.Branch, got.Git.Branch},
		"git.name":           {want.Git.Name, got.Git.Name},
		"log.level":          {want.Log.Level, got.Log.Level},
		"sweep":              {want.Sweep, got.Sweep},
	} {
		if d := cmp.Diff(pair[0], pair[1]); d != "" {
			t.Errorf("%s (-default +sample)\n%s", what, d)
		}
	}
}

// TestExamples loads the short examples, and wants both programs to agree on what
// they share and neither to have what is the other's.
func TestExamples(t *testing.T) {
	api, err := gateway.Load("../deploy/examples/api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	worker, err := gateway.Load("../deploy/examples/worker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"temporal":                      {api.Temporal, worker.Temporal},
		"ledger":                        {api.Ledger, worker.Ledger},
		"payload_keys":                  {api.Payloads, worker.Payloads},
		"identities":                    {api.Identities, worker.Identities},
		"the worker's signing key":      {"", worker.Signing.PrivateKeyFile},
		"the API server's public keys":  {"", api.Signing.PublicKeysFile},
		"the API server's repository":   {"", api.Git.Repository},
		"the API server's metrics port": {"", api.Worker.Listen},
	} {
		if d := cmp.Diff(pair[0], pair[1]); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
}
