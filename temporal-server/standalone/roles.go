package standalone

import (
	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// Directory finds people by their accounts, and says which of the identity
// provider's clients are agents', as the gateway's identity table does.
type Directory interface {
	Person(account sallyport.Account) (sallyport.Person, error)
	AgentClient(client string) bool
}

// Role returns the role of a subject of the issuer, by the groups that the table
// has for the person now.
func (p People) Role(d Directory) func(subject string) authz.Role {
	return func(subject string) authz.Role {
		person, err := d.Person(sallyport.Account{Issuer: p.Issuer, Subject: subject})
		switch {
		case err != nil:
			return authz.None
		case sallyport.Overlap(p.ApproverGroups, person.Groups):
			return authz.Approver
		case sallyport.Overlap(p.OperatorGroups, person.Groups):
			return authz.Operator
		case sallyport.Overlap(p.ReaderGroups, person.Groups):
			return authz.Reader
		default:
			return authz.None
		}
	}
}
