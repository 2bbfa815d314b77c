package oidc

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// name is what ids of agents and people, and groups, look like. They stand in
// policies, in search attributes and in the ledger.
var name = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$`)

const nameRule = "must be 1 to 63 of a-z 0-9 . _ -, beginning and ending with a letter or digit"

// checker checks a table.
type checker struct {
	*strict.Faults
	table    Table
	kinds    map[string]Kind // of issuers, by URL
	ids      map[string]bool // of agents and people together: both stand in one ledger
	people   map[string]bool // ids
	accounts map[sallyport.Account]string
}

// check reports everything that is wrong with the table, but for the content
// of its JWKS files.
func (c *checker) check() {
	c.kinds, c.ids, c.people = map[string]Kind{}, map[string]bool{}, map[string]bool{}
	c.accounts = map[sallyport.Account]string{}
	if len(c.table.Issuers) == 0 {
		c.Add(nil, "issuers is empty: list at least one issuer, or every token is rejected")
	}
	for n, i := range c.table.Issuers {
		c.checkIssuer(at(nil, "issuers", n), i)
	}
	for n, p := range c.table.People {
		c.checkPerson(at(nil, "people", n), p)
	}
	for n, a := range c.table.Agents {
		c.checkAgent(at(nil, "agents", n), a)
	}
}

// at is where keys and indices lead to from a path.
func at(path []string, steps ...any) []string {
	path = slices.Clone(path)
	for _, step := range steps {
		path = append(path, fmt.Sprint(step))
	}
	return path
}

func (c *checker) checkIssuer(path []string, i Issuer) {
	if problem := checkURL(i.URL); problem != "" {
		c.Add(at(path, "url"), "the issuer's url %q %s", i.URL, problem)
	}
	if _, twice := c.kinds[i.URL]; twice {
		c.Add(at(path, "url"), "issuer %s is listed twice", i.URL)
	}
	c.kinds[i.URL] = i.Kind
	if i.Kind != KindAgent && i.Kind != KindPerson {
		c.Add(at(path, "kind"), "the kind of issuer %s is %q and must be agent or person", i.URL, i.Kind)
	}
	if empty := slices.Index(i.Audiences, ""); len(i.Audiences) == 0 || empty >= 0 {
		c.Add(at(path, "audiences", empty), "issuer %s needs at least one audience, and none may be empty: without it, tokens for other services would be accepted", i.URL)
	}
	if i.VoteAudience != "" {
		c.checkVoteAudience(at(path, "vote_audience"), i)
	}
	for n, alg := range i.Algorithms {
		if !slices.Contains(algorithms(), jose.SignatureAlgorithm(alg)) {
			c.Add(at(path, "algorithms", n), "algorithm %q is not one of %v", alg, algorithms())
		}
	}
	if i.MaxAge != 0 && (i.MaxAge < leastMaxAge || i.MaxAge > mostMaxAge) {
		c.Add(at(path, "max_age"), "max_age is %s and must be from %s to %s", i.MaxAge, leastMaxAge, mostMaxAge)
	}
}

// checkVoteAudience keeps votes and other tokens apart: an ID token that was
// issued for another purpose must not vote, nor a vote open the API.
func (c *checker) checkVoteAudience(path []string, i Issuer) {
	if i.Kind != KindPerson {
		c.Add(path, "issuer %s is of kind agent, and agents cannot vote", i.URL)
	}
	for _, other := range c.table.Issuers {
		if slices.Contains(other.Audiences, i.VoteAudience) {
			c.Add(path, "audience %q of votes is among the audiences of issuer %s: it must be for nothing else", i.VoteAudience, other.URL)
		}
	}
	for _, a := range c.table.Agents {
		if slices.Contains(a.names(), i.VoteAudience) {
			c.Add(path, "audience %q of votes is a client of agent %q: tokens that an agent can ask for must not vote", i.VoteAudience, a.ID)
		}
	}
}

// checkURL says what is wrong with a URL that we would trust keys from.
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "must be an absolute URL"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must have no user, query or fragment"
	case !strict.SecureURL(u):
		return "must be https: plain http is only for the " + strict.LoopbackRule
	}
	return ""
}

func (c *checker) checkPerson(path []string, p Person) {
	c.checkID(path, p.ID)
	c.people[p.ID] = true
	c.checkGroups(path, p.Groups)
	if len(p.Accounts) == 0 {
		c.Add(at(path, "accounts"), "person %q has no account: list at least one issuer and subject", p.ID)
	}
	for n, account := range p.Accounts {
		c.checkAccount(at(path, "accounts", n), p.ID, account, KindPerson)
	}
}

func (c *checker) checkAgent(path []string, a Agent) {
	c.checkID(path, a.ID)
	c.checkGroups(path, a.Groups)
	c.checkAccount(path, a.ID, Account{Issuer: a.Issuer, Subject: a.Subject}, KindAgent)
	for n, client := range a.Clients {
		if client == "" || len(client) > maxSubject || strings.TrimSpace(client) != client {
			c.Add(at(path, "clients", n), "client %q of agent %q must be 1 to %d bytes without space around", client, a.ID, maxSubject)
		}
	}
	if !c.people[a.Owner] {
		c.Add(at(path, "owner"), "owner %q of agent %q is not listed under people", a.Owner, a.ID)
	}
}

func (c *checker) checkID(path []string, id string) {
	if !name.MatchString(id) {
		c.Add(at(path, "id"), "id %q %s", id, nameRule)
	}
	if c.ids[id] {
		c.Add(at(path, "id"), "id %q is given twice, and agents and people share their ids", id)
	}
	c.ids[id] = true
}

func (c *checker) checkGroups(path, groups []string) {
	for n, g := range groups {
		if !name.MatchString(g) {
			c.Add(at(path, "groups", n), "group %q %s", g, nameRule)
		}
		if slices.Index(groups, g) != n {
			c.Add(at(path, "groups", n), "group %q is given twice", g)
		}
	}
}

func (c *checker) checkAccount(path []string, id string, a Account, want Kind) {
	kind, known := c.kinds[a.Issuer]
	switch {
	case !known:
		c.Add(at(path, "issuer"), "issuer %q of %q is not listed under issuers", a.Issuer, id)
	case kind != want && (kind == KindAgent || kind == KindPerson):
		c.Add(at(path, "issuer"), "issuer %s is of kind %s, and %q is listed as a kind of %s: an issuer issues tokens for one kind", a.Issuer, kind, id, want)
	}
	if a.Subject == "" || len(a.Subject) > maxSubject || strings.TrimSpace(a.Subject) != a.Subject {
		c.Add(at(path, "subject"), "subject %q of %q must be 1 to %d bytes without space around", a.Subject, id, maxSubject)
	}
	account := sallyport.Account{Issuer: a.Issuer, Subject: a.Subject}
	if other, taken := c.accounts[account]; taken {
		c.Add(at(path, "subject"), "%q of issuer %s is %q already, and can't be %q too", a.Subject, a.Issuer, other, id)
	}
	c.accounts[account] = id
}
