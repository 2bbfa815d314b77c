// Package sallyporttest has a conformance suite for each seam of package
// sallyport, and fakes with faults to inject. An implementation of a seam runs
// the suite in its own tests; a fake stands where an implementation would be
// in the way, and keeps the same suite.
package sallyporttest
