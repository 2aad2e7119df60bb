package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// embeddings appends the members of "Create embeddings". The numbers are asked for as such: they are what the client's API
// has, or what its own form of them is made from.
func (b *builder) embeddings(c *llm.Conversation) error {
	if err := b.loss.Check(b.r, c, "OpenAI's embeddings", llm.FieldDimensions, llm.FieldUser); err != nil {
		return err
	}
	texts, err := b.r.InputTexts(c, "OpenAI")
	if err != nil {
		return err
	}
	b.str("model", b.model)
	b.raw("input", "[")
	for i, text := range texts {
		b.comma(i)
		b.dst = jsonscan.AppendString(b.dst, text)
	}
	b.dst = append(b.dst, ']')
	b.int("dimensions", b.r.Params.Dimensions)
	b.str("encoding_format", "float")
	if c.User != "" {
		b.str("user", c.User)
	}
	return nil
}

// vectors appends the vectors of a list of embeddings, each as an array of numbers: that of base64 is made of its 32-bit
// floats, each as short as reads back the same.
func vectors(dst [][]byte, list []byte) [][]byte {
	for _, e := range elements(list) {
		v := jsonscan.Get(e, "embedding")
		switch jsonscan.KindOf(v) {
		case jsonscan.List:
			dst = append(dst, v)
		case jsonscan.Text:
			if b, err := base64.StdEncoding.DecodeString(jsonscan.String(v)); err == nil {
				dst = append(dst, floats(b))
			}
		}
	}
	return dst
}

func floats(b []byte) []byte {
	out := []byte{'['}
	for i := 0; i+4 <= len(b); i += 4 {
		if i > 0 {
			out = append(out, ',')
		}
		f := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			out = append(out, "null"...)
			continue
		}
		out = strconv.AppendFloat(out, float64(f), 'g', -1, 32)
	}
	return append(out, ']')
}

// embeddingsWriter encodes vectors as "The embedding object", in a list.
type embeddingsWriter struct {
	base64  bool
	model   string
	vectors [][]byte
	usage   llm.Usage
	err     *llm.Error
}

func newEmbeddingsWriter(r *llm.Request) *embeddingsWriter {
	return &embeddingsWriter{model: r.Model, base64: slices.Contains(r.Params.EncodingFormats, "base64")}
}

// ContentType implements llm.Writer.
func (w *embeddingsWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *embeddingsWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	if ev.Model != "" {
		w.model = ev.Model
	}
	if ev.Usage != nil {
		w.usage = *ev.Usage
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	for _, v := range ev.Vectors {
		w.vectors = append(w.vectors, bytes.Clone(v))
	}
	return dst, nil
}

// Close implements llm.Writer. It fails with an *llm.Error of status 502 when a vector is not one of numbers.
func (w *embeddingsWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range w.vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"embedding":`...)
		if !w.base64 {
			dst = append(append(dst, v...), '}')
			continue
		}
		packed, ok := pack(v)
		if !ok {
			return dst, llm.Errorf(http.StatusBadGateway, "invalid_response", "The provider's embedding %d is not a list of numbers.", i)
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, packed)
		dst = append(dst, `"}`...)
	}
	dst = append(dst, `],"model":`...)
	dst = jsonscan.AppendString(dst, w.model)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, w.usage.Input.V, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, w.usage.Input.V+w.usage.Output.V, 10)
	return append(dst, "}}"...), nil
}

// pack is the numbers of the JSON array v as 32-bit floats, little-endian, which is what encoding_format base64 encodes.
func pack(v []byte) ([]byte, bool) {
	var out []byte
	it := jsonscan.Array(v)
	for it.Next() {
		f, ok := jsonscan.Float(it.Value())
		if !ok {
			return nil, false
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(f)))
	}
	return out, it.Err() == nil
}
