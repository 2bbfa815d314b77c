package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf16"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
)

// output is the form in which a command prints what it has got. All commands
// that read share it.
type output string

func (o *output) flags(cmd *cobra.Command) {
	*o = "table"
	cmd.Flags().VarP(o, "output", "o", "`form` of the output: table, json or yaml")
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined above
	}
}

// String, Set and Type implement [pflag.Value].
func (o *output) String() string { return string(*o) }

func (o *output) Set(form string) error {
	if form != "table" && form != "json" && form != "yaml" {
		return fmt.Errorf("the form %q is not known: want table, json or yaml", form)
	}
	*o = output(form)
	return nil
}

func (o *output) Type() string { return "string" }

// print writes a document of the API, as such or as the table that shows it to a
// person. Documents hold text of agents, tools and policy: where a character could
// drive a terminal, the document has its escape in its place, and the same value.
func (o *output) print(w io.Writer, document any, table func(io.Writer) error) error {
	if *o == "table" {
		return table(w)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("the response can't be written as JSON: %w", err)
	}
	form := asJSON
	if *o == "yaml" {
		form = asYAML
	}
	text, err := form(b.Bytes())
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// asJSON is a document of JSON for a terminal.
func asJSON(document []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(document), "", "  "); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	text := sallyport.Escape(b.String(), func(r rune) string {
		if high, low := utf16.EncodeRune(r); high != '\uFFFD' {
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
	return []byte(text + "\n"), nil
}

// asYAML is a document of JSON as YAML for a terminal, with its members in their
// order.
func asYAML(document []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	root, err := yamlNode(d)
	if err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("the response can't be written as YAML: %w", err)
	}
	return []byte("---\n" + sallyport.Escape(b.String(), func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })), nil
}

// yamlNode reads the next value of a document. A string with a character that
// needs an escape gets quotes, because only strings in quotes have escapes.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	switch v := token.(type) {
	case json.Delim:
		node = &yaml.Node{Kind: map[json.Delim]yaml.Kind{'{': yaml.MappingNode, '[': yaml.SequenceNode}[v]}
		for d.More() {
			below, err := yamlNode(d)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, below)
		}
		_, err = d.Token() // its end
		return node, err
	case string:
		node.SetString(v)
		if sallyport.Visible(v) != v || strings.Contains(v, "\t") {
			node.Style = yaml.DoubleQuotedStyle
		}
	case json.Number:
		node.Value = v.String()
	case bool:
		node.Value = fmt.Sprint(v)
	}
	return node, nil
}

// rows writes a table. Every cell may be foreign text.
func rows(w io.Writer, header []string, all [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, row := range all {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = cell(text)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// cell shows foreign text on one line.
func cell(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(sallyport.Visible(s))
}

// fact writes a name and a value, which may be foreign text. It leaves out what is
// empty.
func fact(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%-8s %s\n", name, line(value))
	}
}
