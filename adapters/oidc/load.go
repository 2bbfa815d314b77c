package oidc

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc/jwks"
	"github.com/sallyport/sallyport/strict"
)

// maxFile bounds a table and a JWKS file, in bytes.
const maxFile = 8 << 20

// load reads the table. It returns old itself where nothing has changed, and
// keeps what is known of the keys of issuers that have not.
func (i *Identities) load(old *snapshot) (*snapshot, error) {
	source, err := strict.ReadFile(i.opts.Table, maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading the identity table: %w", err)
	}
	table, found, err := parse(i.opts.Table, source)
	if err != nil {
		return nil, err
	}
	files, sets := i.readKeys(table, found)
	if err := found.Err(); err != nil {
		return nil, err
	}
	if old != nil && bytes.Equal(old.source, source) && maps.EqualFunc(old.files, files, bytes.Equal) {
		return old, nil
	}
	next := &snapshot{
		source:  source,
		files:   files,
		issuers: make(map[string]*issuer, len(table.Issuers)),
		agents:  make(map[sallyport.Account]sallyport.Agent, len(table.Agents)),
		people:  map[sallyport.Account]sallyport.Person{},
		clients: map[string]bool{},
	}
	for _, entry := range table.Issuers {
		next.issuers[entry.URL] = i.newIssuer(entry, sets[entry.URL], old)
	}
	next.fill(table)
	return next, nil
}

// parse reads a table and collects what is wrong with it.
func parse(file string, source []byte) (Table, *strict.Faults, error) {
	var table Table
	faults, err := strict.Document(file, source, &table)
	if err != nil {
		return Table{}, nil, err
	}
	c := &checker{Faults: faults, table: table}
	c.check()
	return table, faults, nil
}

// readKeys reads the JWKS files of a table: their content by path, for
// telling whether it changed, and their keys by issuer.
func (i *Identities) readKeys(table Table, found *strict.Faults) (map[string][]byte, map[string][]jose.JSONWebKey) {
	files, sets := map[string][]byte{}, map[string][]jose.JSONWebKey{}
	for n, entry := range table.Issuers {
		if entry.JWKS == "" {
			continue
		}
		path := filepath.Clean(entry.JWKS)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(i.opts.Table), path)
		}
		content, err := strict.ReadFile(path, maxFile)
		if err == nil {
			files[path] = content
			sets[entry.URL], err = jwks.Parse(content)
		}
		if err != nil {
			found.Add(at(nil, "issuers", n, "jwks"), "the keys of issuer %s: %v", entry.URL, err)
		}
	}
	return files, sets
}

// fill maps accounts to agents and people. The table has been checked.
func (s *snapshot) fill(table Table) {
	for _, a := range table.Agents {
		account := sallyport.Account{Issuer: a.Issuer, Subject: a.Subject}
		s.agents[account] = sallyport.Agent{ID: a.ID, Account: account, Owner: a.Owner, Groups: groups(a.Groups)}
		for _, client := range a.names() {
			s.clients[client] = true
		}
	}
	for _, p := range table.People {
		for _, a := range p.Accounts {
			s.people[sallyport.Account(a)] = sallyport.Person{ID: p.ID, Groups: groups(p.Groups)}
		}
	}
}

// groups is never nil: an agent is part of an intent's digest, and there no
// groups are written in one way.
func groups(g []string) []string {
	return append([]string{}, g...)
}
