package jsonscan

// Edit puts With in the place of the bytes from At[0] to At[1]; nothing when With is empty.
type Edit struct {
	At   [2]int
	With []byte
}

// Apply appends src with edits made to dst, which must not overlap src. Edits must lie within src, in order, and not
// overlap; an empty range inserts.
func Apply(dst, src []byte, edits []Edit) []byte {
	from := 0
	for _, e := range edits {
		dst = append(dst, src[from:e.At[0]]...)
		dst = append(dst, e.With...)
		from = e.At[1]
	}
	return append(dst, src[from:]...)
}

// At tells where v stands in data, for an Edit. v must be a value that a walk of data, or of a value within data, returned
// (it shares data's memory up to the end of its capacity); an empty v stands nowhere, which is {0, 0}.
func At(data, v []byte) [2]int {
	if len(v) == 0 {
		return [2]int{}
	}
	start := cap(data) - cap(v)
	return [2]int{start, start + len(v)}
}
