package sallyport

import "slices"

// Account is one subject of one issuer of identities. An agent has one, a
// person may have several.
type Account struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Agent is an entry of the identity table.
type Agent struct {
	ID      string   `json:"id"`
	Account Account  `json:"account"`
	Owner   string   `json:"owner"` // the person responsible for it, who may not approve its calls
	Groups  []string `json:"groups"`
}

// Person is an entry of the identity table. A person's accounts
// count as one person.
type Person struct {
	ID     string   `json:"id"`
	Groups []string `json:"groups"`
}

// Identity is the sender of a request: an agent or a person, never both.
type Identity struct {
	Account Account
	Agent   *Agent
	Person  *Person
}

// Overlap reports whether two lists of groups share one.
func Overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(g string) bool { return slices.Contains(b, g) })
}
