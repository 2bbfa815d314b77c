package sallyport_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sallyport/sallyport"

// arrows is the architecture: which packages of ours a package may import.
// Every package may import the root and strict, which is not repeated here,
// except the root itself. "*" stands for all of them. A name that ends in
// /... stands for all packages below it that have no line of their own.
//
// Adapters (the packages right below adapters)
// never import each other: programs bring them together.
var arrows = map[string][]string{
	".":               nil,
	"strict":          nil,
	"policies":        nil,
	"tools":           nil,
	"tools/manifests": nil,
	"tools/wire":      nil,
	"tools/unidiff":   nil,
	"tools/builtin":   {"tools/wire", "tools/unidiff"},
	"tools/k8s":       {"tools/wire", "tools/unidiff"},
	"activities":      {"workflows/wire"},

	"workflows":         {"activities", "workflows/details", "workflows/wire"},
	"workflows/details": nil,
	"workflows/wire":    nil,
	"worker":            {"workflows", "workflows/wire", "activities"},
	"api":               {"api/wire"},
	"api/wire":          nil,

	"adapters/opa":             {"policies"},
	"adapters/kube":            {"tools", "tools/wire"},
	"adapters/images":          nil,
	"adapters/sandbox":         {"tools", "tools/wire", "adapters/sandbox/confine"},
	"adapters/sandbox/confine": nil,
	"adapters/gitops":          {"tools/unidiff"},
	"adapters/ledger":          {"adapters/ledger/proof"},
	"adapters/ledger/proof":    nil,
	"adapters/oidc":            {"adapters/oidc/jwks"},
	"adapters/oidc/jwks":       nil,
	"adapters/notify":          nil,
	"adapters/telemetry":       nil,
	"adapters/jws":             nil,
	"adapters/temporal":        {"activities", "workflows/wire"},

	"gateway":               {"*"},
	"client":                {"api/wire"},
	"cmd/sallyport":         {"client", "adapters/jws", "adapters/ledger/proof", "cmd/internal/cli"},
	"cmd/sallyport-gateway": {"*"},
	"cmd/internal/cli":      {"api/wire", "adapters/ledger/proof", "adapters/oidc", "adapters/oidc/jwks"},
	"cmd/toolexec":          {"tools/wire", "tools/builtin", "adapters/sandbox/confine"},
	"cmd/kubeexec":          {"tools/wire", "tools/k8s"},
	"deploy/image":          nil, // makes images of these; no part of them

	"deploy/licenses": nil, // the same, of what they link

	// What tests share. Nothing that is shipped may import these.
	"sallyporttest":               nil,
	"sallyporttest/postgrestest":  nil,
	"sallyporttest/program":       nil,
	"sallyporttest/compat":        nil, // tests of what must not change
	"sallyporttest/workflowstest": {"*"},
	"cmd/internal/clitest":        nil,

	"docs": nil, // tests of the documentation

	"temporal-server/authz":               {"adapters/oidc"},
	"temporal-server/port":                nil,
	"temporal-server/server":              {"temporal-server/authz", "temporal-server/port"},
	"temporal-server/standalone":          {"temporal-server/authz", "adapters/telemetry"},
	"temporal-server/cmd/temporal-server": {"temporal-server/authz", "temporal-server/server", "temporal-server/standalone", "adapters/oidc", "workflows/wire"},

	"dev/...": {"*"},
	"e2e/...": {"*"},
}

// libraries says which packages alone may import a library, by the prefix of
// its import path. Other packages call these.
var libraries = map[string][]string{
	"database/sql":                           {"adapters/ledger", "sallyporttest/postgrestest", "temporal-server/server"}, // there it is the Temporal server's
	"modernc.org/sqlite":                     {"adapters/ledger", "temporal-server/server"},
	"github.com/jackc/pgx":                   {"adapters/ledger", "sallyporttest/postgrestest", "temporal-server/server"}, // there it is the Temporal server's
	"github.com/pressly/goose":               {"adapters/ledger"},
	"go.temporal.io/":                        {"activities", "workflows", "workflows/wire", "worker", "adapters/temporal", "sallyporttest/workflowstest", "gateway", "temporal-server/...", "dev/..."},
	"go.temporal.io/server":                  {"temporal-server/..."},
	"github.com/temporalio":                  {"temporal-server/..."},
	"k8s.io/":                                {"adapters/kube", "tools/k8s", "cmd/kubeexec", "e2e/..."},
	"helm.sh/helm":                           {"e2e/..."},
	"go.etcd.io":                             {"e2e/..."},
	"github.com/coredns":                     {"e2e/..."},
	"github.com/open-policy-agent":           {"adapters/opa"},
	"github.com/sigstore":                    {"adapters/images"},
	"github.com/google/go-containerregistry": {"adapters/images", "deploy/image", "e2e/..."},
	"github.com/google/licensecheck":         {"deploy/licenses"},
	"github.com/labstack/echo":               {"api"},
	"github.com/modelcontextprotocol":        {"api"},
	"github.com/coreos/go-oidc":              {"client", "temporal-server/...", "dev/..."}, // it logs people in; see the decision on verifying tokens
	"golang.org/x/oauth2":                    {"client", "e2e/..."},
	"github.com/go-jose":                     {"adapters/jws", "adapters/oidc", "adapters/oidc/jwks", "sallyporttest/workflowstest", "temporal-server/...", "dev/..."},
	"github.com/go-git":                      {"adapters/gitops", "dev/..."},
	"github.com/landlock-lsm":                {"adapters/sandbox/confine"},
	"github.com/santhosh-tekuri":             {"tools"},
	"github.com/prometheus":                  {"adapters/telemetry"},
	"go.opentelemetry.io/otel/sdk":           {"adapters/telemetry"},
	"go.opentelemetry.io/otel/exporters":     {"adapters/telemetry"},
	"github.com/spf13/cobra":                 {"cmd/sallyport", "cmd/sallyport-gateway", "cmd/internal/cli", "cmd/internal/clitest", "temporal-server/...", "dev/...", "e2e/..."}, // there it is Kubernetes's
	"github.com/stretchr/testify":            nil,                                                                                                                                 // go-cmp and plain ifs say more
	"github.com/pkg/errors":                  nil,
	"golang.org/x/exp":                       nil,
	"math/rand":                              {}, // what we draw has to be unpredictable
}

// source is one parsed Go file.
type source struct {
	name    string // slash-separated, from the repository's root
	pkg     string // the directory, "." for the root
	test    bool
	doc     string
	imports []string
}

// sources parses every Go file of every module. It reads files and asks no
// build cache, so that a package which isn't built here is checked too.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		s := source{name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), doc: docOf(f)}
		for _, i := range f.Imports {
			s.imports = append(s.imports, strings.Trim(i.Path.Value, `"`))
		}
		all = append(all, s)
	}
	return all
}

func docOf(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}

// files lists what the repository holds, without what is built or run in it.
func files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".sallyport", "bin", "node_modules"}, d.Name()):
			return fs.SkipDir
		case d.Type().IsRegular():
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// place is the line of a table that pkg belongs to.
func place(table []string, pkg string) (string, bool) {
	if slices.Contains(table, pkg) {
		return pkg, true
	}
	for dir := pkg; dir != "."; dir = path.Dir(dir) {
		if slices.Contains(table, dir+"/...") {
			return dir + "/...", true
		}
	}
	return "", false
}

func TestEveryPackageHasItsPlace(t *testing.T) {
	lines := slices.Collect(maps.Keys(arrows))
	seen := map[string]bool{}
	for _, s := range sources(t) {
		if _, ok := place(lines, s.pkg); !ok && !seen[s.pkg] {
			seen[s.pkg] = true
			t.Errorf("package %s has no place in the table of imports: think about where it belongs, and add a line", s.pkg)
		}
	}
}

// TestArrows holds what is shipped against the table. Tests may bring any
// packages of ours together.
func TestArrows(t *testing.T) {
	lines := slices.Collect(maps.Keys(arrows))
	for _, s := range sources(t) {
		line, ok := place(lines, s.pkg)
		if s.test || !ok {
			continue
		}
		allowed := arrows[line]
		for _, i := range s.imports {
			to, ours := internal(i)
			switch {
			case forTests(to) && !forTests(s.pkg) && !strings.HasSuffix(line, "/..."):
				t.Errorf("%s imports %s, which is for tests", s.name, i)
			case !ours || slices.Contains(allowed, "*") || slices.Contains(allowed, to):
			case s.pkg != "." && (to == "." || to == "strict" && s.pkg != "strict"):
			default:
				t.Errorf("%s imports %s, which the table of imports does not allow", s.name, i)
			}
		}
	}
}

// forTests reports whether only tests may import a package.
func forTests(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || strings.HasPrefix(pkg, "sallyporttest/")
}

// internal returns the directory of an import that is ours.
func internal(imported string) (dir string, ours bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// TestLibraries keeps each heavy library in the one place that adapts it.
// Tests may use one to look at what the package did, with three exceptions: a
// Temporal server is only ever linked by its own module, api has no workflows
// even in its tests, and no test uses an assertion library.
func TestLibraries(t *testing.T) {
	for _, s := range sources(t) {
		for _, i := range s.imports {
			prefix := longestPrefix(i)
			if prefix == "" {
				continue
			}
			if _, ok := place(libraries[prefix], s.pkg); ok {
				continue
			}
			if s.test && !strict(s.pkg, prefix) {
				continue
			}
			t.Errorf("%s imports %s, which is for %v", s.name, i, libraries[prefix])
		}
	}
}

// TestTablesAreUsed: a line that allows what nothing imports would allow it
// unseen once something does.
func TestTablesAreUsed(t *testing.T) {
	imports := map[string]map[string]bool{} // by line of the table
	uses := map[string]map[string]bool{}    // by prefix of a library
	lines := slices.Collect(maps.Keys(arrows))
	for _, s := range sources(t) {
		line, _ := place(lines, s.pkg)
		for _, i := range s.imports {
			if to, ours := internal(i); ours && !s.test {
				add(imports, line, to)
			}
			if prefix := longestPrefix(i); prefix != "" {
				if by, ok := place(libraries[prefix], s.pkg); ok {
					add(uses, prefix, by)
				}
			}
		}
	}
	for line, allowed := range arrows {
		for _, to := range allowed {
			if to != "*" && !imports[line][to] {
				t.Errorf("the table of imports allows %s to import %s, which it does not: remove that", line, to)
			}
		}
	}
	for prefix, allowed := range libraries {
		for _, by := range allowed {
			if !uses[prefix][by] {
				t.Errorf("the table of libraries allows %s to import %s, which it does not: remove that", by, prefix)
			}
		}
	}
}

func add(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}

// TestLintRulesMatch: a path rule of the linters whose path matches no file is
// silent.
func TestLintRulesMatch(t *testing.T) {
	data, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := files(t)
	rules := 0
	matches := func(rule string, pattern *regexp.Regexp) {
		rules++
		if !slices.ContainsFunc(all, pattern.MatchString) {
			t.Errorf(".golangci.yml: %s matches no file", rule)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+path(?:-except)?: (\S.*)$`).FindAllStringSubmatch(string(data), -1) {
		matches(m[1], regexp.MustCompile(m[1]))
		for _, part := range regexp.MustCompile(`\^[a-z][^|()]*(?:\([^|()]*\)[^|()]*)?`).FindAllString(m[1], -1) {
			matches(part, regexp.MustCompile(part))
		}
	}
	glob := strings.NewReplacer(`**/`, `(?:.*/)?`, `/**`, `/.*`, `*`, `[^/]*`, `.`, `\.`)
	for _, m := range regexp.MustCompile(`(?m)^\s+files: \[(.*)\]`).FindAllStringSubmatch(string(data), -1) {
		for _, g := range regexp.MustCompile(`"!?([^"$]+)"`).FindAllStringSubmatch(m[1], -1) {
			matches(g[1], regexp.MustCompile(`^`+glob.Replace(g[1])+`$`))
		}
	}
	if rules < 15 {
		t.Errorf(".golangci.yml: %d path rules were read", rules)
	}
}

func longestPrefix(imported string) string {
	longest := ""
	for prefix := range libraries {
		if strings.HasPrefix(imported, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	return longest
}

// strict reports whether a package's tests too must not import a library.
func strict(pkg, prefix string) bool {
	return libraries[prefix] == nil || prefix == "go.temporal.io/server" || pkg == "api" && prefix == "go.temporal.io/"
}

// TestStandardLibraryAlone: a reader of the words, and a client of the API, need
// nothing else. Our tests compare with go-cmp.
func TestStandardLibraryAlone(t *testing.T) {
	for _, s := range sources(t) {
		if s.pkg != "." && s.pkg != "api/wire" {
			continue
		}
		for _, i := range s.imports {
			first, _, _ := strings.Cut(i, "/")
			tests := s.test && (i == module || strings.HasPrefix(i, "github.com/google/go-cmp/"))
			if strings.Contains(first, ".") && !tests && (s.pkg == "." || i != module) {
				t.Errorf("%s imports %s; package %s knows the standard library alone", s.name, i, s.pkg)
			}
		}
	}
}

// TestModulesSelectTheSameVersions: the modules that link a Temporal server
// share what they compile, unless their versions differ.
func TestModulesSelectTheSameVersions(t *testing.T) {
	requires := func(dir string) map[string]string {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		versions := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(string(data), -1) {
			versions[m[1]] = m[2]
		}
		return versions
	}
	server, dev := requires("temporal-server"), requires("dev")
	both := 0
	for lib, want := range server {
		if got, ok := dev[lib]; ok {
			both++
			if got != want {
				t.Errorf("dev selects %s %s and temporal-server %s: require the same in both go.mod files", lib, got, want)
			}
		}
	}
	if both < 100 {
		t.Errorf("dev and temporal-server share %d modules: the go.mod files were not read", both)
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	docs := map[string]int{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		docs[s.pkg] += 0
		if s.doc != "" {
			docs[s.pkg]++
		}
	}
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want one", pkg, n)
		}
	}
}

// TestTextOfTheRepository looks at every file for what only makes sense on
// the machine, or in the hour, in which it was written.
func TestTextOfTheRepository(t *testing.T) {
	checks := map[string]*regexp.Regexp{
		"an unfinished piece of work": regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`),
		"a path of a home directory":  regexp.MustCompile(`(/ho` + `me|/Us` + `ers)/[a-z][a-z0-9._-]*/|/ro` + `ot/go/|[A-Z]:\\Us` + `ers\\`),
		"a path of this machine":      here(t),
	}
	for _, name := range files(t) {
		if path.Ext(name) == ".sum" { // hashes may spell anything
			continue
		}
		data, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue
		}
		for what, pattern := range checks {
			if at := pattern.FindIndex(data); at != nil {
				t.Errorf("%s:%d: %s: %q", name, 1+bytes.Count(data[:at[0]], []byte("\n")), what, data[at[0]:at[1]])
			}
		}
	}
}

// here matches the directory that the repository lies in on this machine.
func here(t *testing.T) *regexp.Regexp {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(regexp.QuoteMeta(filepath.ToSlash(dir)) + `\b`)
}
