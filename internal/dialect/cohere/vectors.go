package cohere

import (
	"encoding/base64"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// vectorTypes are the embedding types in the order in which their vectors are looked at.
var vectorTypes = [...]string{"float", "int8", "uint8", "base64", "binary", "ubinary"}

// floatSize is the bytes of one number in base64.
const floatSize = 4

// embed reads the response of embed: embeddings by type, or, of version 1, a list of vectors.
func (d *decoder) embed(m *fields, ev *llm.Event) {
	ev.ID, ev.Last = jsonscan.String(m.id), true
	ev.Usage = d.count(m.usage)
	vectors := m.embeddings
	if jsonscan.KindOf(vectors) == jsonscan.Dict {
		for _, t := range vectorTypes {
			if vectors = jsonscan.Get(m.embeddings, t); jsonscan.KindOf(vectors) == jsonscan.List {
				break
			}
		}
	}
	elements(vectors, func(v []byte) {
		if ev.Dimensions == 0 {
			ev.Dimensions = dimensions(v)
		}
		if d.parts && jsonscan.KindOf(v) == jsonscan.List {
			ev.Vectors = append(ev.Vectors, v)
		}
	})
}

// dimensions is the length of a vector: a list of numbers, or base64 of them.
func dimensions(v []byte) int {
	if jsonscan.KindOf(v) == jsonscan.Text {
		text := word(v)
		for len(text) > 0 && text[len(text)-1] == '=' {
			text = text[:len(text)-1]
		}
		return base64.RawStdEncoding.DecodedLen(len(text)) / floatSize
	}
	n := 0
	elements(v, func([]byte) { n++ })
	return n
}
