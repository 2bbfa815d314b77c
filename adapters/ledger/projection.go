package ledger

import (
	"encoding/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// columns are a call's row in the projection.
type columns struct {
	state                 string
	final                 int64
	agent, tool           string
	namespace, arguments  string
	receivedAt, updatedAt int64
	entries               int64
	record                []byte
	bytes                 int64 // of the entry of its receipt
}

// sent is what the columns have of a call's receipt, and a summary has not.
type sent struct {
	arguments string // their digest
	bytes     int64
}

// sentIn is that of a received call, whose entry has some contents.
func sentIn(c sallyport.Call, content []byte) sent {
	return sent{string(argumentsDigest(c.Arguments)), int64(len(content))}
}

func columnsOf(s sallyport.Summary, by sent) (c columns, err error) {
	c = searched(s.Record, by)
	c.record, err = proof.Encode(s)
	return c, err
}

// searched are the columns but the record itself.
func searched(r sallyport.Record, by sent) columns {
	c := columns{
		state: string(r.State), agent: sallyport.Searchable(r.Call.AgentID), tool: sallyport.Searchable(r.Call.Tool),
		arguments: by.arguments, bytes: by.bytes,
		receivedAt: nanos(r.Call.ReceivedAt), updatedAt: nanos(r.UpdatedAt),
		entries: int64(r.Entries),
	}
	if r.State.Final() {
		c.final = 1
	}
	if r.Intent != nil {
		c.namespace = sallyport.Searchable(r.Intent.Namespace)
	}
	return c
}

// argumentsDigest is what makes arguments the same.
func argumentsDigest(arguments []byte) sallyport.Digest {
	return sallyport.NewDigest("sallyport/arguments/v1", arguments)
}

// decodeSummary reads a call's row. Earlier versions kept the whole record there.
func decodeSummary(b []byte) (sallyport.Summary, error) {
	var s sallyport.Summary
	if err := json.Unmarshal(b, &s); err != nil {
		return s, &sallyport.Error{
			Kind: sallyport.Internal, Code: sallyport.CodeBadProjection,
			Message: "a call's record in the ledger can't be read", Err: err,
		}
	}
	if s.IntentDigest == "" {
		s = s.Record.Summary()
	}
	return s, nil
}

// project is what writes a call's row.
func project(callID string, c columns) *statement {
	if c.entries == 1 {
		return addCall(callID, c)
	}
	return exec(sqlSetCall, callID, c.state, c.final, c.namespace, c.updatedAt, c.entries, c.record)
}

func addCall(callID string, c columns) *statement {
	return exec(sqlAddCall, callID, c.state, c.final, c.agent, c.tool, c.namespace, c.arguments, c.receivedAt, c.updatedAt, c.entries, c.record, c.bytes)
}

// projectFreeze is what writes a freeze's row.
func projectFreeze(r sallyport.FreezeRecord) (*statement, error) {
	b, err := proof.Encode(r)
	if r.Lift != nil {
		return exec(sqlLiftFreeze, r.Freeze.ID, b), err
	}
	f := searchable(r.Freeze)
	return exec(sqlAddFreeze, f.ID, f.Agent, f.Tool, f.Namespace, 0, nanos(f.At), b), err
}

// searchable is a freeze with the texts by which calls are compared with it.
func searchable(f sallyport.Freeze) sallyport.Freeze {
	f.Agent, f.Tool, f.Namespace = sallyport.Searchable(f.Agent), sallyport.Searchable(f.Tool), sallyport.Searchable(f.Namespace)
	return f
}

func decodeFreeze(b []byte) (sallyport.FreezeRecord, error) {
	var r sallyport.FreezeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return r, &sallyport.Error{
			Kind: sallyport.Internal, Code: sallyport.CodeBadProjection,
			Message: "a freeze's record in the ledger can't be read", Err: err,
		}
	}
	return r, nil
}

func erased(callID string) error {
	return sallyport.Errorf(sallyport.NotFound, sallyport.CodeErased, "the contents of call %s were erased", callID)
}

func noSuchCall(callID string) error {
	return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoSuchCall, "there is no call %q", callID)
}
