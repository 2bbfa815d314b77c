package sallyport

// leastLine is how many bytes a line of a text must have to be looked for, and the
// beginning of one that is cut.
const leastLine = 8

// finder finds many texts in one pass over another, by the algorithm of Aho and
// Corasick: its time does not depend on how many there are, nor on what they say.
type finder struct {
	nodes []finderNode // the first is the root
	first [256]int32   // the root's children
}

// finderNode stands for the beginning of some of the texts.
type finderNode struct {
	child, next int32 // the first child, and the next of the same parent
	fail        int32 // the longest proper end of this that begins a text too
	depth       int32 // how long this is
	found       int32 // how long the longest text is that ends here; 0 for none
	last        byte
}

// newFinder takes sorted texts: each grows as many nodes as it has bytes that the
// one before does not begin with.
func newFinder(texts []string) *finder {
	size, before := 1, ""
	for _, text := range texts {
		size += len(text) - common(before, text)
		before = text
	}
	f := &finder{nodes: make([]finderNode, 1, size)}
	for _, text := range texts {
		at := int32(0)
		for i := range len(text) {
			at = f.grow(at, text[i])
		}
		f.nodes[at].found = f.nodes[at].depth
	}
	f.link()
	return f
}

// common is how many bytes two texts both begin with.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// grow is the child of a node for one more byte.
func (f *finder) grow(at int32, b byte) int32 {
	if c := f.child(at, b); c != 0 {
		return c
	}
	c := int32(len(f.nodes)) //nolint:gosec // mostSpelt bounds it
	f.nodes = append(f.nodes, finderNode{last: b, depth: f.nodes[at].depth + 1, next: f.nodes[at].child})
	f.nodes[at].child = c
	if at == 0 {
		f.first[b] = c
	}
	return c
}

// child is 0 where there is none.
func (f *finder) child(at int32, b byte) int32 {
	if at == 0 {
		return f.first[b]
	}
	c := f.nodes[at].child
	for c != 0 && f.nodes[c].last != b {
		c = f.nodes[c].next
	}
	return c
}

// link sets where to go on from each node, the shorter ones first.
func (f *finder) link() {
	queue := make([]int32, 0, len(f.nodes))
	queue = append(queue, 0)
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for c := f.nodes[at].child; c != 0; c = f.nodes[c].next {
			queue = append(queue, c)
			if at != 0 {
				f.nodes[c].fail = f.step(f.nodes[at].fail, f.nodes[c].last)
			}
			f.nodes[c].found = max(f.nodes[c].found, f.nodes[f.nodes[c].fail].found)
		}
	}
}

func (f *finder) step(at int32, b byte) int32 {
	for {
		if c := f.child(at, b); c != 0 {
			return c
		}
		if at == 0 {
			return 0
		}
		at = f.nodes[at].fail
	}
}

// stretch is a part of a text: from its first byte to before the end.
type stretch struct{ from, to int }

// stretches are the parts of a text that are one of the texts, or that begin one and
// are cut there. They are sorted, and apart from each other.
func (f *finder) stretches(text string, cut func(rest string) bool) []stretch {
	var found []stretch
	at := int32(0)
	for i := range len(text) {
		at = f.step(at, text[i])
		n := f.nodes[at]
		length := int(n.found)
		if n.depth >= leastLine && cut(text[i+1:]) {
			length = int(n.depth)
		}
		if length == 0 {
			continue
		}
		s := stretch{i + 1 - length, i + 1}
		for len(found) > 0 && found[len(found)-1].to >= s.from {
			s.from = min(s.from, found[len(found)-1].from)
			found = found[:len(found)-1]
		}
		found = append(found, s)
	}
	return found
}
