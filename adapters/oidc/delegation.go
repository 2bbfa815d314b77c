package oidc

import (
	"errors"
	"fmt"
)

// delegated says that another party than the subject acts with the token,
// whatever the claim looks like: one that we can't read is no reason to take
// the token for the subject's own.
func (c claims) delegated() error {
	if c.Actor != nil {
		return errors.New("it names an actor (act): its sender acts for its subject, and tokens of delegation are not accepted")
	}
	return nil
}

// personal says why the token is no person's: another party acts with it, or
// it was issued to an agent's client. Clients that are no agent's, such as the
// Temporal UI or a command line, are what people work with.
func (c claims) personal(isAgent func(client string) bool) error {
	if err := c.delegated(); err != nil {
		return err
	}
	for _, claim := range []struct {
		name     string
		value    any
		standard bool // so that it can mean nothing but the client
	}{
		{"azp", c.Authorized, true}, {"client_id", c.Client, true}, {"cid", c.ClientOkta, false}, {"appid", c.ClientV1, false},
	} {
		client, isText := claim.value.(string)
		switch {
		case claim.value == nil:
		case !isText && claim.standard:
			return fmt.Errorf("its %s must be one text: the client that the token was issued to", claim.name)
		case isText && isAgent(client):
			return fmt.Errorf("it was issued to %.200q (%s), which is an agent of the identity table: an agent's client does not act as a person", client, claim.name)
		}
	}
	return nil
}

// Personal says why a token is no person's own, for servers that verify
// people's tokens themselves: it verifies nothing else of the token. The
// function isAgent says which clients are agents', as [Identities.AgentClient]
// does.
func Personal(token string, isAgent func(client string) bool) error {
	_, c, err := parseToken(token)
	if err != nil {
		return err
	}
	return c.personal(isAgent)
}

// AgentClient reports whether an identity provider's client is an agent's of
// the table: one of its clients, its subject under any issuer, or its id. People's
// issuers know an agent under its client id at best, and a name that two
// parties share is the agent's.
func (i *Identities) AgentClient(client string) bool {
	return i.snapshot.Load().agentClient(client)
}

// checkDelegation refuses tokens by which one party acts for another, of
// agents' issuers too: such a call would be recorded as the subject's own.
func (s *snapshot) checkDelegation(i *issuer, c claims) error {
	if i.kind == KindPerson {
		return c.personal(s.agentClient)
	}
	return c.delegated()
}

func (s *snapshot) agentClient(client string) bool { return s.clients[client] }
