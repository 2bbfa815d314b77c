package docs_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/gateway"
)

// setting is a key of the configuration file.
type setting struct {
	key      string // with dots
	kind     string
	fallback string // as the file would say it; "" where there is none
	meaning  string
}

// TestConfigurationPage: the page lists every key that the gateway reads, with the
// default that it has and the comment of the sample configuration.
func TestConfigurationPage(t *testing.T) {
	defaults, required := leastConfiguration(t)
	var root yaml.Node
	sample := strings.ReplaceAll(read(t, "deploy/sallyport.yaml"), "  # dsn_file:", "  dsn_file:") // it is instead of the path
	if err := yaml.Unmarshal([]byte(sample), &root); err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	for _, s := range settings(t, "", reflect.ValueOf(defaults), root.Content[0]) {
		if slices.Contains(required, s.key) {
			s.fallback = "required"
		}
		switch {
		case s.meaning == "":
			t.Errorf("deploy/sallyport.yaml has no comment on %s", s.key)
		case !strings.Contains(s.key, "."):
			fmt.Fprintf(&page, "## `%s`\n\n%s\n\n", s.key, s.meaning)
			if strings.Contains(s.kind, "section") {
				page.WriteString("| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
			} else {
				fmt.Fprintf(&page, "| key | type | default |\n| --- | --- | --- |\n| `%s` | %s | %s |\n", s.key, s.kind, s.fallback)
			}
		default:
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", s.key, s.kind, s.fallback, s.meaning)
		}
	}
	text := regexp.MustCompile(`\n## `).ReplaceAllString("\n"+page.String(), "\n\n## ")
	generated(t, "docs/reference/configuration.md", strings.TrimLeft(text, "\n"))
}

// TestKeysExist: a key of the configuration that a document names in full exists.
func TestKeysExist(t *testing.T) {
	page := read(t, "docs/reference/configuration.md")
	sections := regexp.MustCompile("(?m)^## `(\\w+)`").FindAllStringSubmatch(page, -1)
	names := make([]string, 0, len(sections))
	for _, s := range sections {
		names = append(names, s[1])
	}
	key := regexp.MustCompile(`^(?:` + strings.Join(names, "|") + `)(?:\.[a-z_]+)+$`)
	chart := []string{"api.replicas", "worker.replicas"} // its values
	file := regexp.MustCompile(`\.(?:db|dsn|go|key|md|pem|pub|rego|token|yaml)$`)
	named := 0
	for _, d := range documents(t) {
		for _, m := range code.FindAllStringSubmatch(d.text, -1) {
			if !key.MatchString(m[1]) || file.MatchString(m[1]) || slices.Contains(chart, m[1]) {
				continue
			}
			named++
			if !strings.Contains(page, "`"+m[1]+"`") {
				t.Errorf("%s: the configuration has no key %s", d.name, m[1])
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d keys are named: the pattern does not find them any more", named)
	}
}

// leastConfiguration is the configuration that a file which says nothing has, and
// the keys that the gateway misses in it.
func leastConfiguration(t *testing.T) (gateway.Config, []string) {
	t.Helper()
	file := write(t, "sallyport.yaml", "kubernetes: {reply: {}}\nnotifications: {}\n")
	c, err := gateway.Load(file)
	if err == nil {
		t.Fatal("an empty configuration is accepted")
	}
	var required []string
	for _, m := range regexp.MustCompile(`(?m)`+regexp.QuoteMeta(filepath.Base(file))+`:\d+: (\S+)`).FindAllStringSubmatch(err.Error(), -1) {
		required = append(required, m[1])
	}
	return c, required
}

// settings are the keys below one, in the order of the sample.
func settings(t *testing.T, path string, v reflect.Value, node *yaml.Node) []setting {
	t.Helper()
	fields := map[string]reflect.Value{}
	collectFields(v, fields)
	var all []setting
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		field, ok := fields[name.Value]
		if !ok {
			t.Fatalf("deploy/sallyport.yaml has the key %s%s, and the gateway has not", path, name.Value)
		}
		s := setting{key: path + name.Value, kind: kindOf(field.Type()), fallback: shown(field), meaning: comment(name, value)}
		all = append(all, s)
		switch s.kind {
		case "section":
			all = append(all, settings(t, s.key+".", field, value)...)
		case "list of sections":
			all = append(all, settings(t, s.key+"[].", field, value.Content[0])...)
		}
		delete(fields, name.Value)
	}
	for key := range fields {
		t.Errorf("deploy/sallyport.yaml lacks the key %s%s", path, key)
	}
	return all
}

// collectFields finds the fields of a struct by their keys.
func collectFields(v reflect.Value, fields map[string]reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice:
		v = reflect.Zero(v.Type().Elem())
	case v.Kind() == reflect.Pointer && v.IsNil():
		v = reflect.Zero(v.Type().Elem())
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key == ",inline" {
			collectFields(v.Field(i), fields)
		} else {
			fields[key] = v.Field(i)
		}
	}
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "list of texts"
	case t.Kind() == reflect.Slice:
		return "list of sections"
	case t.Kind() == reflect.Map:
		return "map"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Pointer:
		return "section"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	default:
		return "number"
	}
}

// shown is a default as the file would say it.
func shown(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return fmt.Sprintf("`%v`", v)
	case v.IsZero() || v.Kind() == reflect.Struct || v.Kind() == reflect.Pointer:
		return ""
	default:
		return fmt.Sprintf("`%v`", v)
	}
}

// comment is the text of the comments on a key.
func comment(name, value *yaml.Node) string {
	var words []string
	for _, text := range []string{name.HeadComment, name.LineComment, value.LineComment} {
		if !strings.Contains(text, " by default") || text == name.HeadComment {
			words = append(words, strings.Fields(strings.ReplaceAll(text, "#", ""))...)
		}
	}
	return strings.ReplaceAll(strings.Join(words, " "), "|", `\|`) // in a table
}
