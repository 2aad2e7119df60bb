package frame

// Bounds of the event names that a splitter remembers, so that a frame's name costs no allocation.
const (
	maxNames   = 128
	maxNameLen = 128
)

// names are the event names of one stream. The zero value is ready to use.
type names struct{ seen map[string]string }

// of returns b as a string, the same one each time for the names that a stream repeats.
func (s *names) of(b []byte) string {
	if n, ok := s.seen[string(b)]; ok {
		return n
	}
	n := string(b)
	if len(n) <= maxNameLen && len(s.seen) < maxNames {
		if s.seen == nil {
			s.seen = make(map[string]string, 8)
		}
		s.seen[n] = n
	}
	return n
}
