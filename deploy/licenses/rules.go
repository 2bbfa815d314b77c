package main

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// enough is the share of a licence file's words that have to belong to
// licences that were recognised, in percent: the rest is a copyright line or a
// heading, and more may hold terms of its own.
const enough = 75

// allowed are the licences that go with the Apache License 2.0 and ask for
// nothing but their text, by their SPDX identifiers.
func allowed() []string {
	return []string{
		"Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Views", "BSD-3-Clause", "ISC", "MIT", "MIT-0",
		"GooglePatentsFile", // the patent grant beside the Go project's licence
	}
}

// exception is a text, or a lack of one, that a person has read and decided
// about.
type exception struct {
	module string
	file   string // empty where the module has no text at all
	reason string
	text   string // in place of one that is missing
}

//go:embed texts/go-statsd-client.txt
var statsd string

// exceptions is the list of them. A test fails when no program needs one any more.
func exceptions() []exception {
	const securejoin = "github.com/cyphar/filepath-securejoin"
	return []exception{
		{
			module: "kernel.org/pub/linux/libs/security/libcap/psx", file: "License",
			reason: "the user chooses BSD-3-Clause or GPL-2.0; used under BSD-3-Clause",
		},
		{module: securejoin, file: "COPYING.md", reason: "says which files are under MPL-2.0; those that are linked are under BSD-3-Clause"},
		{module: securejoin, file: "LICENSE.MPL-2.0", reason: "no file under it is linked"},
		{
			module: "github.com/go-sql-driver/mysql", file: "LICENSE",
			reason: "MPL-2.0 covers its own files alone; they are unmodified, and their source is this version of the module",
		},
		{module: "github.com/opencontainers/go-digest", file: "LICENSE.docs", reason: "covers its documentation, which is not linked"},
		{
			module: "github.com/modelcontextprotocol/go-sdk", file: "LICENSE",
			reason: "CC-BY-4.0 covers its documentation, which is not linked; its code is under Apache-2.0 or MIT",
		},
		{module: "modernc.org/memory", file: "LICENSE-LOGO", reason: "covers a picture, which is not linked"},
		{module: "modernc.org/sqlite", file: "LICENSE-SQLITE", reason: "SQLite is in the public domain"},
		{module: "modernc.org/sqlite", file: "LICENSE-3RD-PARTY.md", reason: "a list with texts of allowed licences; MPL-2.0 is of a module that is not linked"},
		{module: "modernc.org/libc", file: "LICENSE-3RD-PARTY.md", reason: "a list with texts of allowed licences"},
		{
			module: "github.com/cactus/go-statsd-client/statsd", reason: "MIT as its files say; the text is that of the same repository's later module v5",
			text: statsd,
		},
		{
			module: "github.com/nexus-rpc/nexus-proto-annotations",
			reason: "its only version v0.1.0 has no text; it is required by go.temporal.io/api, which is under MIT, and holds generated code of five options",
		},
	}
}

// check returns an error that names every linked module without a text, and
// every text that neither the allowed licences nor an exception covers.
func check(modules []module) error {
	var faults []error
	for _, m := range modules {
		granted := false
		for _, t := range m.texts {
			granted = granted || t.grants()
			if _, ok := except(m.path, t.name); !ok {
				faults = append(faults, t.check(m))
			}
		}
		if _, ok := except(m.path, ""); !granted && !ok {
			faults = append(faults, fmt.Errorf("%s has no licence text: find its licence, "+
				"and leave the module out or add an exception with the reason to deploy/licenses/rules.go", m))
		}
	}
	return errors.Join(faults...)
}

// check holds one text of a module against the allowed licences.
func (t text) check(m module) error {
	for _, id := range t.ids {
		if !slices.Contains(allowed(), id) {
			return fmt.Errorf("%s has a text under %s in %s, which is not one of %s: "+
				"leave the module out or add an exception with the reason to deploy/licenses/rules.go", m, id, t.name, strings.Join(allowed(), ", "))
		}
	}
	if t.grants() && t.percent < enough {
		return fmt.Errorf("%s has a text in %s of which %.0f %% were recognised as %v, less than %d %%: "+
			"read it, and add an exception with the reason to deploy/licenses/rules.go", m, t.name, t.percent, t.ids, enough)
	}
	return nil
}

// except finds the exception for a file of a module.
func except(module, file string) (exception, bool) {
	all := exceptions()
	i := slices.IndexFunc(all, func(e exception) bool { return e.module == module && e.file == file })
	if i < 0 {
		return exception{}, false
	}
	return all[i], true
}

func (m module) String() string { return strings.TrimSuffix(m.path+" "+m.version, " ") }
