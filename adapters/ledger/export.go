package ledger

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// ExportedLeaf is a line of an export.
type ExportedLeaf struct {
	Index int64            `json:"index"` // in the log
	Hash  sallyport.Digest `json:"hash"`  // of the leaf in the tree (RFC 6962)
	Leaf  json.RawMessage  `json:"leaf"`
	Entry json.RawMessage  `json:"entry,omitempty"` // what it commits to; none where that was erased
}

// Export visits the leaves in the log's order, from one on, with what they
// commit to or without.
func (a *Archive) Export(ctx context.Context, from int64, contents bool, visit func(ExportedLeaf) error) error {
	for {
		page, err := a.page(ctx, from, contents)
		if err != nil {
			return unreadable(err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, l := range page {
			if err := visit(l); err != nil {
				return err
			}
		}
		from = page[len(page)-1].Index + 1
	}
}

func (a *Archive) page(ctx context.Context, from int64, contents bool) (page []ExportedLeaf, err error) {
	err = each(ctx, a.db, func(rows *sql.Rows) error {
		var l ExportedLeaf
		var leaf, content, receipt []byte
		if err := rows.Scan(&l.Index, &leaf, &content, &receipt); err != nil {
			return err
		}
		l.Hash, l.Leaf = proof.LeafDigest(leaf), leaf
		if contents {
			l.Entry = unpack(content, receipt)
		}
		page = append(page, l)
		return nil
	}, sqlExport, from, pageSize)
	return page, err
}
