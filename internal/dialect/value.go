package dialect

import (
	"bytes"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Label remembers a string that the frames of a stream repeat, so that it costs one allocation and not one a frame. The zero
// value is ready to use.
type Label struct {
	raw  []byte
	text string
}

// Of decodes the JSON string v, "" when v is something else.
func (l *Label) Of(v []byte) string {
	if jsonscan.KindOf(v) != jsonscan.Text {
		return ""
	}
	if !bytes.Equal(l.raw, v) {
		l.raw, l.text = append(l.raw[:0], v...), jsonscan.String(v)
	}
	return l.text
}

// SetFloat sets dst when v is a number.
func SetFloat(dst *llm.Opt[float64], v []byte) {
	if f, ok := jsonscan.Float(v); ok {
		*dst = llm.Some(f)
	}
}

// SetInt sets dst when v is a whole number.
func SetInt(dst *llm.Opt[int64], v []byte) {
	if n, ok := jsonscan.Int(v); ok {
		*dst = llm.Some(n)
	}
}

// Pointer is nil for an absent value, for encoders that leave out nil.
func Pointer[T any](o llm.Opt[T]) *T {
	if !o.Set {
		return nil
	}
	return &o.V
}
