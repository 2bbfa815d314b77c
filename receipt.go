package sallyport

// Receipt proves where in the ledger an entry stands.
type Receipt struct {
	Index    int64 // of the leaf in the tree, from 0
	Number   int   // of the leaf within its call, from 0
	Leaf     Digest
	Repeated bool  // the entry was there already
	Entry    Entry // as it stands in the ledger; where Repeated, it governs
}
