package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shell is what the documentation gives to a shell: code spans, and blocks of
// sh or without a language.
func shell(d document) []string {
	var lines []string
	for _, m := range code.FindAllStringSubmatch(d.text, -1) {
		lines = append(lines, m[1])
	}
	for _, b := range d.blocks {
		if b.language == "sh" || b.language == "" {
			lines = append(lines, strings.Split(strings.ReplaceAll(b.text, "\\\n", " "), "\n")...)
		}
	}
	return lines
}

func TestMakeTargetsExist(t *testing.T) {
	target := regexp.MustCompile(`(?m)^([a-z][\w-]*)(?:\s+[a-z][\w-]*)*:`)
	var targets []string
	for _, m := range target.FindAllString(read(t, "Makefile"), -1) {
		targets = append(targets, strings.Fields(strings.TrimSuffix(m, ":"))...)
	}
	use := regexp.MustCompile(`(?:^|[;&|(]\s*)make ([a-z][\w-]*)`)
	named := 0
	for _, d := range documents(t) {
		for _, line := range shell(d) {
			for _, m := range use.FindAllStringSubmatch(line, -1) {
				named++
				if !slices.Contains(targets, m[1]) {
					t.Errorf("%s: the Makefile has no target %s", d.name, m[1])
				}
			}
		}
	}
	if named == 0 {
		t.Error("no target is named: the pattern does not find them any more")
	}
}

// commands are the words and flags of a program's commands, read from its
// sources and those of the flags that programs share, and those that cobra adds.
func commands(t *testing.T, dir string) (uses, flags []string) {
	t.Helper()
	var files []string
	for _, d := range []string{dir, "cmd/internal/cli"} {
		found, err := filepath.Glob(filepath.Join(root, d, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s has no sources: %v", d, err)
		}
		files = append(files, found...)
	}
	use := regexp.MustCompile(`(?:Use:\s+|cli\.Group\()"([a-z-]+)`)
	flag := regexp.MustCompile(`(?:String|Bool|StringArray|Duration|Int)?Var(P?)\([^"]*"([a-z-]+)"`)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range use.FindAllStringSubmatch(string(data), -1) {
			uses = append(uses, m[1])
		}
		for _, m := range flag.FindAllStringSubmatch(string(data), -1) {
			flags = append(flags, m[2])
		}
	}
	return append(uses, "help", "completion"), append(flags, "help", "version")
}

// TestCommandsExist holds each command line in the documentation against the
// program that it calls.
func TestCommandsExist(t *testing.T) {
	for program, dir := range map[string]string{
		"sallyport": "cmd/sallyport", "sallyport-gateway": "cmd/sallyport-gateway", "sallyport-dev": "dev/cmd/sallyport-dev",
	} {
		uses, flags := commands(t, dir)
		call := regexp.MustCompile(`(?:^|[(;&|])\s*(?:bin/)?` + program + `((?: [a-z-]+)+)([^|;&)]*)`)
		named := 0
		for _, d := range documents(t) {
			for _, line := range shell(d) {
				for _, m := range call.FindAllStringSubmatch(line, -1) {
					words := strings.Fields(m[1])
					named++
					if !slices.Contains(uses, words[0]) {
						t.Errorf("%s: %s has no command %s (%s)", d.name, program, words[0], line)
					}
					if slices.Contains([]string{"ledger", "policy", "tools"}, words[0]) && (len(words) < 2 || !slices.Contains(uses, words[1])) {
						t.Errorf("%s: %s has no command %v (%s)", d.name, program, words, line)
					}
					for _, f := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(m[0], -1) {
						if !slices.Contains(flags, f[1]) {
							t.Errorf("%s: %s has no flag --%s (%s)", d.name, program, f[1], line)
						}
					}
				}
			}
		}
		if named == 0 && program != "sallyport-dev" {
			t.Errorf("no command of %s is named: the pattern does not find them any more", program)
		}
	}
}

// TestFlagsExist looks at flags that are named by themselves.
func TestFlagsExist(t *testing.T) {
	_, flags := commands(t, "cmd/sallyport")
	_, gateway := commands(t, "cmd/sallyport-gateway")
	flags = append(flags, gateway...)
	alone := regexp.MustCompile(`^--([a-z-]+)$`)
	for _, d := range documents(t) {
		for _, m := range code.FindAllStringSubmatch(d.text, -1) {
			if f := alone.FindStringSubmatch(m[1]); f != nil && !slices.Contains(flags, f[1]) {
				t.Errorf("%s: there is no flag --%s", d.name, f[1])
			}
		}
	}
}

// TestUnits holds the units for systemd against the programs and the files that
// the operators' page installs.
func TestUnits(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(root, "deploy/systemd/*.service"))
	if err != nil || len(units) == 0 {
		t.Fatalf("there are no units: %v", err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/sallyport-gateway ([a-z]+) --config /etc/sallyport/([a-z]+\.yaml)$`)
	uses, _ := commands(t, "cmd/sallyport-gateway")
	page := read(t, "docs/operators/machines.md")
	for _, unit := range units {
		text := read(t, filepath.Join("deploy/systemd", filepath.Base(unit)))
		m := start.FindStringSubmatch(text)
		if m == nil || !slices.Contains(uses, m[1]) {
			t.Errorf("%s starts no command of sallyport-gateway", unit)
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "deploy/examples", m[2])); err != nil {
			t.Errorf("%s reads %s, of which there is no example: %v", unit, m[2], err)
		}
		user := regexp.MustCompile(`(?m)^User=(\S+)$`).FindStringSubmatch(text)
		if user == nil || !strings.Contains(page, "--groups sallyport "+user[1]+"\n") {
			t.Errorf("%s runs as %v, a user that docs/operators/machines.md does not make", unit, user)
		}
	}
}
