package tools_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
)

// good is a manifest that the cases break in one place each.
const good = `name: restart
title: Restart
description: Restarts a deployment.
input_schema:
  type: object
  additionalProperties: false
  required: [environment, name]
  properties:
    environment: {type: string, pattern: "^[a-z]+$"}
    name: {type: string, pattern: "^[a-z]+$"}
    kind: {type: string, enum: [deployment, daemonset]}
    note: {type: string}
    free: {type: string, pattern: "[a-z]"}
    count: {type: integer}
mapping:
  action: restart
  resource: $.kind|deployment
  namespace: $.environment
  name: $.name
risk:
  read_only: false
runner: sandbox
limits:
  timeout: 30s
  memory_mib: 128
  processes: 64
  output_bytes: 65536
permissions:
  git: write
egress: []
`

func dir(files ...string) fs.FS {
	d := fstest.MapFS{}
	for n, f := range files {
		d[fmt.Sprintf("%c.yaml", 'a'+n)] = &fstest.MapFile{Data: []byte(f)}
	}
	return d
}

func TestLoadRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ reason, old, new, want string }{
		"UnknownKey":        {"a misspelt limit limits nothing", "title:", "titel:", "a.yaml:2: field titel not found"},
		"DuplicateKey":      {"two readers could take two values", "title: Restart\n", "title: Restart\ntitle: Other\n", `a.yaml:3: mapping key "title" already defined`},
		"SecondDocument":    {"the loader would ignore it", "egress: []\n", "egress: []\n---\nname: x\n", "there is a second document"},
		"NoPointer":         {"it would redact nothing", "egress: []\n", "egress: []\nredact: {arguments: [note]}\n", `invalid JSON Pointer "note"`},
		"RedactedTarget":    {"a call's target is in its leaves", "egress: []\n", "egress: []\nredact: {arguments: [/name]}\n", "the mapping uses /name"},
		"KeptAlready":       {"all of it is kept", "egress: []\n", "egress: []\nredact: {keep_result: [/id]}\n", "redact.keep_result is for tools with redact.arguments"},
		"NoKeptPointer":     {"it would keep nothing", "egress: []\n", "egress: []\nredact: {arguments: [/note], keep_result: [id]}\n", `invalid JSON Pointer "id"`},
		"UnknownRedaction":  {"it would redact nothing", "egress: []\n", "egress: []\nredact: {argument: [/note]}\n", "field argument not found"},
		"BadName":           {"model APIs take no more", "name: restart", "name: Restart-It", `a.yaml:1: the name "Restart-It" must be`},
		"ResultNoObject":    {"clients take objects", "runner: sandbox", "result: {type: string}\nrunner: sandbox", "a.yaml:22: result must be an object that says type: object"},
		"ResultWithRef":     {"clients get it within another schema", "runner: sandbox", "result: {type: object, properties: {a: {$ref: '#/x'}}}\nrunner: sandbox", "a.yaml:22: result must not have $ref"},
		"ResultMisspelt":    {"it would promise nothing", "runner: sandbox", "result: {type: object, propertys: {}}\nrunner: sandbox", "a.yaml:22: result.propertys: this keyword is not taken"},
		"ReservedName":      {"the gateway's own tool would hide it", "name: restart\n", "name: get_call\n", "a.yaml:1: the name get_call is reserved"},
		"ReservedArgument":  {"it is taken out of every call by MCP", "count: {type: integer}", "sallyport_reason: {type: string}", "a.yaml:14: the argument sallyport_reason is reserved"},
		"NoName":            {"a tool without a name can't be called", "name: restart\n", "", `a.yaml:1: the name ""`},
		"NoTitle":           {"people read it", "title: Restart", "title: ' '", "a.yaml:2: title must not be empty"},
		"HiddenText":        {"people must see what models read", "title: Restart", `title: "Re\u202estart"`, "a.yaml:2: title has invisible characters"},
		"NoSchema":          {"arguments would go unchecked", "  type: object\n", "", "a.yaml:4: input_schema must be an object"},
		"BadSchema":         {"it isn't JSON Schema", "count: {type: integer}", "count: {type: number_or_so}", "a.yaml:4: input_schema:"},
		"OpenSchema":        {"an argument that no tool reads is a mistake or a trick", "additionalProperties: false", "additionalProperties: true", "a.yaml:4: input_schema must say additionalProperties: false"},
		"UnknownKeyword":    {"validators ignore it", `name: {type: string, pattern: "^[a-z]+$"}`, `name: {type: string, patern: "^[a-z]+$"}`, "a.yaml:10: input_schema.properties.name.patern: this keyword is not taken"},
		"UnknownFormat":     {"validators ignore it too", "note: {type: string}", "note: {type: string, format: dns}", "a.yaml:12: input_schema.properties.note.format: this format"},
		"RemoteRef":         {"a schema that is fetched can change", "count: {type: integer}", "count: {$ref: 'https://example.com/s.json'}", "a.yaml:14: input_schema.properties.count.$ref: a reference must stay"},
		"FileRef":           {"a schema must not open files", "count: {type: integer}", "count: {$ref: 'file:///etc/passwd'}", "a.yaml:14: input_schema.properties.count.$ref: a reference must stay"},
		"RelativeRef":       {"neither with a path of its own", "count: {type: integer}", "count: {$ref: 'b.yaml#/x'}", "a reference must stay"},
		"MetaschemaRef":     {"not even a well-known one", "count: {type: integer}", "count: {$ref: 'https://json-schema.org/draft/2020-12/schema'}", "a reference must stay"},
		"NestedRef":         {"however deep", "count: {type: integer}", "count: {anyOf: [{not: {$ref: 'file:///etc/passwd'}}]}", "a reference must stay"},
		"MovedBase":         {"an $id would make # lead elsewhere", "count: {type: integer}", "count: {$id: 'https://example.com/', $ref: '#'}", "$id: this keyword is not taken"},
		"OtherDialect":      {"other drafts read keywords differently", "  type: object\n", "  type: object\n  $schema: http://json-schema.org/draft-07/schema#\n", "a.yaml:6: $schema must be"},
		"DanglingRef":       {"it would fail at the first call", "count: {type: integer}", "count: {$ref: '#/$defs/absent'}", "a.yaml:4: input_schema:"},
		"BadPattern":        {"it would match nothing", `"^[a-z]+$"}` + "\n    name", `"^[a-z+$"}` + "\n    name", "a.yaml:4: input_schema:"},
		"MapMissing":        {"there would be no word", "name: $.name\n", "name: $.nome\n", "a.yaml:19: mapping.name: the argument nome is not among the properties"},
		"MapOptional":       {"there would be none at times", "name: $.name\n", "name: $.kind\n", "a.yaml:19: mapping.name: the argument kind is optional"},
		"MapNumber":         {"policies compare words", "required: [environment, name]", "required: [environment, name, count]#", "mapping.name: the argument count must say type: string"},
		"MapUnrestricted":   {"policies would see any text", "name: $.name\n", "name: $.note|x\n", "a.yaml:19: mapping.name: the argument note must be restricted"},
		"MapUnanchored":     {"such a pattern restricts nothing", "name: $.name\n", "name: $.free|x\n", "a.yaml:19: mapping.name: the argument free must be restricted"},
		"MapAlternation":    {"nor does one that is anchored in parts", `name: {type: string, pattern: "^[a-z]+$"}`, `name: {type: string, pattern: "^[a-z]+|x$"}`, "mapping.name: the argument name must be restricted"},
		"MapMultiline":      {"nor one that is anchored to lines", `name: {type: string, pattern: "^[a-z]+$"}`, `name: {type: string, pattern: "(?m)^[a-z]+$"}`, "mapping.name: the argument name must be restricted"},
		"MapNeedlessly":     {"its author believes that it is optional", "name: $.name\n", "name: $.name|api\n", "a.yaml:19: mapping.name: the argument name is required"},
		"MapBadDefault":     {"no call could have said it", "$.kind|deployment", "$.kind|secret", "a.yaml:17: mapping.resource: the argument kind has a default"},
		"MapLiteral":        {"policies write words in lowercase", "action: restart", "action: Re start", "a.yaml:16: mapping.action is"},
		"MapNoAction":       {"policy evaluates an action", "action: restart\n", "action: ''\n", "a.yaml:16: mapping.action is"},
		"MapInString":       {"a string has no members", "name: $.name\n", "name: $.name.b\n", "a.yaml:19: mapping.name: the argument name.b is a member of what"},
		"MapNoMember":       {"an intent without its name", "name: $.name\n", "name: $.a.b\n", "a.yaml:19: mapping.name: the argument a.b is not among"},
		"UnknownRunner":     {"the gateway has no such runner", "runner: sandbox", "runner: docker", "a.yaml:22: runner is sandbox or kube"},
		"UnknownPlan":       {"it means nothing", "runner: sandbox", "plan: sometimes\nrunner: sandbox", "a.yaml:22: plan is on_ask, always or never"},
		"UnplannedWrite":    {"an approver would see no effect", "runner: sandbox", "plan: never\nrunner: sandbox", "a.yaml:22: approvers must see the planned commit"},
		"NoTimeout":         {"a run must end", "  timeout: 30s\n", "", "a.yaml:23: limits.timeout must be"},
		"LongTimeout":       {"a run must end within 15 minutes", "timeout: 30s", "timeout: 16m", "a.yaml:24: limits.timeout must be"},
		"BareTimeout":       {"nanoseconds are not what was meant", "timeout: 30s", "timeout: 30", "a.yaml:24: cannot unmarshal !!int `30` into time.Duration"},
		"Memory":            {"no Go program starts with less", "memory_mib: 128", "memory_mib: 16", "a.yaml:25: limits.memory_mib must be from 64 to 4096"},
		"Processes":         {"threads count too", "processes: 64", "processes: 1", "a.yaml:26: limits.processes must be"},
		"Output":            {"it is held in memory", "output_bytes: 65536", "output_bytes: 999999999", "a.yaml:27: limits.output_bytes must be"},
		"UnknownAccess":     {"its meaning is undefined", "git: write", "git: admin", "a.yaml:29: permissions.git is read, write or left out"},
		"WriteWithRead":     {"it could not do what it is for", "git: write", "git: read", "a.yaml:29: a tool that writes needs permissions.git: write"},
		"WriteWithNothing":  {"the same", "  git: write", "  git: ''", "a.yaml:29: in the sandbox a tool can write by"},
		"ReadOnlyWrites":    {"policies trust what a manifest says of risk", "read_only: false", "read_only: true", "a.yaml:29: a tool with permissions.git: write is not risk.read_only"},
		"DestructiveRead":   {"the words contradict each other", "read_only: false", "read_only: true\n  destructive: true", "exclude each other"},
		"GitWithoutTarget":  {"the file would be undefined", "  name: $.name\n", "", "a.yaml:15: permissions.git: the run reads or writes the file"},
		"EgressRelative":    {"it names no host", "egress: []", "egress: [/api]", `a.yaml:30: "/api" must be an absolute http or https URL`},
		"EgressScheme":      {"the broker speaks HTTP", "egress: []", "egress: ['file:///etc/']", "must be an absolute http or https URL"},
		"EgressHostOnly":    {"example.com would begin example.com.other.org", "egress: []", "egress: ['https://example.com']", "must have a path"},
		"EgressCredentials": {"secrets don't belong here", "egress: []", "egress: ['https://a:b@example.com/']", "must have no user"},
		"EgressQuery":       {"prefixes end with the path", "egress: []", "egress: ['https://example.com/?a=']", "must have no user, query"},
		"EgressDots":        {"servers read them differently", "egress: []", "egress: ['https://example.com/a/../b']", "must be in normal form"},
		"EgressCase":        {"hosts are compared in lowercase", "egress: []", "egress: ['https://Example.com/']", "must be in normal form"},
		"Timestamp":         {"JSON Schema has numbers, not dates", "count: {type: integer}", "count: {const: .inf}", "a.yaml:4: input_schema is not JSON"},
		"KeyOfNothing":      {"JSON has keys of text alone", "count: {type: integer}", "count: {~: x}", "a.yaml:1: a key must be text"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if name == "MapNumber" {
				text = strings.Replace(text, "name: $.name\n", "name: $.count\n", 1)
			}
			if text == good {
				t.Fatal("the case changes nothing")
			}
			c, err := tools.Load(dir(text))
			if err == nil || c != nil {
				t.Fatalf("accepted: %s", tt.reason)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoadDirectories(t *testing.T) {
	other := strings.Replace(good, "title: Restart", "title: Other", 1)
	if _, err := tools.Load(dir(good, other)); err == nil || err.Error() != "b.yaml:1: tool restart is declared already at a.yaml:1" {
		t.Errorf("two of one name in one directory: %v", err)
	}
	c, err := tools.Load(tools.Embedded(), dir(good), dir(other))
	if err != nil {
		t.Fatal(err)
	}
	if tool, ok := c.Tool("restart"); !ok || tool.Title != "Other" {
		t.Errorf("the later directory does not win: %+v, %v", tool, ok)
	}
	if _, err := tools.Load(fstest.MapFS{"README.md": {Data: []byte("x")}}); err == nil {
		t.Error("a catalogue of nothing was loaded")
	}
	if _, err := tools.Load(tools.Embedded(), fstest.MapFS{"x.yml": {Data: []byte(good)}}); err == nil {
		t.Error("a manifest that would go unread was passed over")
	}
	if _, err := tools.Load(nil); err == nil {
		t.Error("a directory that is nil was read")
	}
	if _, err := tools.Load(dir(strings.Replace(good, "name: restart", "name: R", 1), strings.Replace(good, "runner: sandbox", "runner: x", 1))); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every fault is named: %v", err)
	}
}

func load(t *testing.T, dirs ...fs.FS) *tools.Catalogue {
	t.Helper()
	c, err := tools.Load(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEmbedded(t *testing.T) {
	c := load(t, tools.Embedded())
	type row struct {
		Name                string
		ReadOnly, PlanNever bool
		Runner              string
		Git                 tools.GitAccess
	}
	var got []row
	for _, tool := range c.Tools() {
		m, ok := c.Manifest(tool.Name)
		if !ok || !tool.Digest.Valid() || m.Digest() != tool.Digest || tool.Timeout == 0 {
			t.Errorf("%+v", tool)
		}
		var schema map[string]any
		if err := json.Unmarshal(tool.InputSchema, &schema); err != nil || schema["type"] != "object" {
			t.Errorf("the schema of %s: %v, %v", tool.Name, schema, err)
		}
		got = append(got, row{tool.Name, tool.ReadOnly, tool.PlanNever, tool.Runner, m.Permissions.Git})
	}
	want := []row{
		{"gitops_get_manifest", true, true, "sandbox", tools.GitRead},
		{"gitops_scale_deployment", false, false, "sandbox", tools.GitWrite},
		{"gitops_set_image", false, false, "sandbox", tools.GitWrite},
		{"http_probe", true, true, "sandbox", ""},
		{"k8s_apply_manifest", false, false, "kube", ""},
		{"k8s_delete_pod", false, false, "kube", ""},
		{"k8s_get_deployment", true, true, "kube", ""},
		{"k8s_list_pods", true, true, "kube", ""},
		{"k8s_pod_logs", true, true, "kube", ""},
		{"k8s_restart_deployment", false, false, "kube", ""},
		{"k8s_scale_deployment", false, false, "kube", ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// A digest covers the meaning of a manifest, and nothing else.
func TestDigest(t *testing.T) {
	digest := func(text string) sallyport.Digest {
		tool, _ := load(t, dir(text)).Tool("restart")
		return tool.Digest
	}
	base := digest(good)
	for name, same := range map[string]string{
		"Comment": "# a comment\n" + good,
		"Order":   strings.Replace(good, "  timeout: 30s\n  memory_mib: 128\n", "  memory_mib: 128\n  timeout: 30000ms\n", 1),
		"Default": strings.Replace(good, "runner: sandbox", "plan: on_ask\nrunner: sandbox", 1),
		"Egress":  strings.Replace(good, "egress: []\n", "", 1),
	} {
		if digest(same) != base {
			t.Errorf("%s: another digest for the same meaning", name)
		}
	}
	seen := map[sallyport.Digest]string{base: "good"}
	for _, change := range [][2]string{
		{"title: Restart", "title: X"},
		{"description: Restarts", "description: X"},
		{"count: {type: integer}", "count: {type: number}"},
		{"action: restart", "action: x"},
		{"$.kind|deployment", "x"},
		{"namespace: $.environment", "namespace: x"},
		{"name: $.name\n", "name: x\n"},
		{"read_only: false", "read_only: false\n  destructive: true"},
		{"runner: sandbox", "plan: always\nrunner: sandbox"},
		{"runner: sandbox\n", "runner: kube\n"},
		{"timeout: 30s", "timeout: 31s"},
		{"memory_mib: 128", "memory_mib: 129"},
		{"processes: 64", "processes: 65"},
		{"output_bytes: 65536", "output_bytes: 65537"},
		{"git: write", "git: write\negress: ['https://example.com/']#"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		text = strings.Replace(text, "#\negress: []", "", 1)
		if strings.Contains(text, "runner: kube") { // which grants other permissions
			text = strings.Replace(text, "  git: write\n", "  kubernetes: [{group: apps, resource: deployments, verbs: [get]}]\n", 1)
		}
		d := digest(text)
		if earlier, ok := seen[d]; ok {
			t.Errorf("%q has the digest of %s", change[1], earlier)
		}
		seen[d] = change[1]
	}
}

func TestEgressAllows(t *testing.T) {
	text := strings.NewReplacer("egress: []", "egress: ['https://status.example.com/api/', 'http://10.0.0.1:8080/health']").Replace(good)
	m, _ := load(t, dir(text)).Manifest("restart")
	for url, want := range map[string]bool{
		"https://status.example.com/api/":                      true,
		"https://status.example.com/api/v1?verbose=1":          true,
		"https://STATUS.example.com/api/v1":                    true,
		"http://10.0.0.1:8080/health":                          true,
		"http://10.0.0.1:8080/health/live":                     true,
		"http://10.0.0.1:8080/healthy":                         false,
		"http://10.0.0.1/health":                               false,
		"http://status.example.com/api/":                       false,
		"https://status.example.com/":                          false,
		"https://status.example.com/api/../admin":              false,
		"https://status.example.com/api/%2e%2e/admin":          false,
		"https://status.example.com/api/..%2fadmin":            false,
		"https://status.example.com/api//v1":                   false,
		"https://status.example.com.evil.example/api/":         false,
		"https://status.example.com@evil.example/api/":         false,
		"https://evil.example/https://status.example.com/api/": false,
		"https://status.example.com/api/#fragment":             false,
		`https://status.example.com/api/..\admin`:              false,
		"//status.example.com/api/":                            false,
		"file:///api/":                                         false,
		"":                                                     false,
	} {
		if got := m.EgressAllows(url); got != want {
			t.Errorf("EgressAllows(%q) = %v", url, got)
		}
	}
	none, _ := load(t, tools.Embedded()).Manifest("http_probe")
	if none.EgressAllows("http://127.0.0.1/") {
		t.Error("an empty list allows something")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "count: {type: integer}", "count: {$ref: '#/properties/count'}", 1)))
	f.Add([]byte(strings.Replace(good, "count: {type: integer}", "count: &a [*a]", 1)))
	f.Add([]byte("name: &a x\ntitle: *a\n<<: {description: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := tools.Load(fstest.MapFS{"a.yaml": {Data: data}})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a.yaml:") {
				t.Fatalf("an error without its place: %v", err)
			}
			return
		}
		tool := c.Tools()[0]
		if !tool.Digest.Valid() || !json.Valid(tool.InputSchema) {
			t.Fatalf("%+v", tool)
		}
		again, err := tools.Load(fstest.MapFS{"a.yaml": {Data: data}})
		if err != nil || again.Tools()[0].Digest != tool.Digest {
			t.Fatalf("a second reading differs: %v", err)
		}
		agent := sallyport.Agent{ID: "deploy-bot"}
		for _, arguments := range []string{`{}`, `{"environment":"a","name":"b"}`} {
			i, err := c.Resolve(sallyport.Call{AgentID: agent.ID, Tool: tool.Name, Arguments: json.RawMessage(arguments)}, agent)
			if err == nil && (i.Action == "" || i.Resource == "") {
				t.Fatalf("an intent without words: %+v", i)
			}
		}
	})
}

// TestDatesInSchemas: a date in a schema is the text that arguments have.
func TestDatesInSchemas(t *testing.T) {
	c, err := tools.Load(dir(strings.Replace(good, "note: {type: string}", "note: {type: string, enum: [2026-12-24, 2026-12-31]}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range c.Tools() {
		if want := `"enum":["2026-12-24","2026-12-31"]`; !strings.Contains(string(tool.InputSchema), want) {
			t.Errorf("%s; want %s in it", tool.InputSchema, want)
		}
	}
}

// A result that is not what the manifest promises is found, and not quoted.
func TestCheckResult(t *testing.T) {
	promise := "result: {type: object, required: [n], properties: {n: {type: integer}}}\nrunner: sandbox"
	c, err := tools.Load(dir(strings.Replace(good, "runner: sandbox", promise, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if tool, _ := c.Tool("restart"); !strings.Contains(string(tool.ResultSchema), `"required":["n"]`) {
		t.Errorf("%s", tool.ResultSchema)
	}
	for result, want := range map[string]string{`{"n":1}`: "", `{"n":"s3cr3t"}`: `"/n"`, `{}`: `""`, `"s3cr3t"`: `""`} {
		err := c.CheckResult("restart", json.RawMessage(result))
		if want == "" && err == nil {
			continue
		}
		if err == nil || sallyport.CodeOf(err) != sallyport.CodeResultWithheld || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", result, err)
		}
	}
	if err := c.CheckResult("unheard_of", json.RawMessage(`{}`)); err != nil {
		t.Errorf("a tool without a promise: %v", err)
	}
}

// TestCheckResultPointers: the error names places that the manifest spells, and
// none within what it redacts: names of members are a tool's text too.
func TestCheckResultPointers(t *testing.T) {
	promise := `result:
  type: object
  properties:
    rows: {type: object, additionalProperties: {type: integer}}
    data: {type: object, properties: {id: {type: integer}}}
    list: {type: array, items: {type: object, properties: {"a/b": {type: integer}}, additionalProperties: {type: integer}}}
runner: sandbox`
	m := strings.Replace(good, "runner: sandbox", promise, 1)
	c, err := tools.Load(dir(strings.Replace(m, "egress: []\n", "egress: []\nredact: {result: [/data]}\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for result, want := range map[string]string{
		`{"rows":{"jane.doe@example.com":"x"}}`:                `"/rows"`,
		`{"rows":{"` + strings.Repeat("jane", 100) + `":"x"}}`: `"/rows"`,
		`{"data":{"id":"x"}}`:                                  `"/data"`,
		`{"list":[{"a/b":1},{"a/b":"x"}]}`:                     `"/list/1/a~1b"`,
		`{"list":[{"rows":"x"}]}`:                              `"/list/0"`,
	} {
		if err := c.CheckResult("restart", json.RawMessage(result)); err == nil || !strings.HasSuffix(err.Error(), " at "+want) {
			t.Errorf("of %s the error is %v, want one at %s", result, err, want)
		}
	}
}
