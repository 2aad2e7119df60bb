package mistral

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// embedWriter encodes one response as the answer of "Embeddings".
type embedWriter struct {
	head
	base64  bool
	vectors [][]byte
	size    int
}

// ContentType implements llm.Writer.
func (*embedWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer. All is appended by Close.
func (w *embedWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.read(ev)
	for _, v := range ev.Vectors {
		if w.size += len(v); w.size > llm.MaxBody {
			return dst, llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's embeddings are too large.")
		}
		w.vectors = append(w.vectors, slices.Clone(v))
	}
	return dst, nil
}

// Close implements llm.Writer.
func (w *embedWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	dst = append(w.append(dst, "list"), `,"data":[`...)
	for i, v := range w.vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","embedding":`...)
		if w.base64 {
			dst = appendBase64(dst, v)
		} else {
			dst = append(dst, v...)
		}
		dst = append(dst, `,"index":`...)
		dst = append(strconv.AppendInt(dst, int64(i), 10), '}')
	}
	dst = append(dst, `],"usage":`...)
	return append(w.appendUsage(dst), '}'), nil
}

// appendBase64 appends a vector as the base64 of its numbers, each four bytes, little endian (API reference, EncodingFormat).
func appendBase64(dst, vector []byte) []byte {
	var raw []byte
	for it := jsonscan.Array(vector); it.Next(); {
		f, _ := jsonscan.Float(it.Value())
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}
