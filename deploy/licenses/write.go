package main

import (
	"bytes"
	"fmt"
	"strings"
)

// write lists the modules with their licences, and then each text once, below
// the names of the files that have it.
func write(w *bytes.Buffer, modules []module) {
	fmt.Fprint(w, "This program is made of the following parts. Their licence texts are below, each once.\n\n")
	var order []string
	files := map[string][]string{} // by their text
	add := func(data, file string) {
		if files[data] == nil {
			order = append(order, data)
		}
		files[data] = append(files[data], file)
	}
	for _, m := range modules {
		fmt.Fprintf(w, "%s\n", m)
		for _, t := range m.texts {
			fmt.Fprintf(w, "    %s%s\n", t.name, suffix(m, t))
			add(t.data, m.String()+" "+t.name)
		}
		if e, ok := except(m.path, ""); ok {
			fmt.Fprintf(w, "    %s\n", e.reason)
			if e.text != "" {
				add(e.text, m.String())
			}
		}
	}
	rule := strings.Repeat("=", 80)
	for _, data := range order {
		fmt.Fprintf(w, "\n%s\n%s\n%s\n\n%s\n", rule, strings.Join(files[data], "\n"), rule, strings.TrimRight(data, "\n"))
	}
}

// suffix says under which licences a text is, and why that is right where it
// does not say itself.
func suffix(m module, t text) string {
	s := ""
	if len(t.ids) > 0 {
		s = ": " + strings.Join(t.ids, ", ")
	}
	if e, ok := except(m.path, t.name); ok {
		s += " (" + e.reason + ")"
	}
	return s
}
