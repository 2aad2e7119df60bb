package cohere

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// embedWriter writes embeddings, when they are complete, in the types that were asked for.
type embedWriter struct {
	answer
	v1      bool
	types   []string // none = version 1's list of vectors
	texts   []string
	vectors []json.RawMessage
}

// newEmbedWriter returns the writer for r. Of the embedding types others have float, and base64 is the same; it fails with an
// *llm.Error of status 400 when r asks for another.
func newEmbedWriter(r *llm.Request, loss *llm.Loss) (llm.Writer, error) {
	w := &embedWriter{answer: answer{loss: loss}, vectors: []json.RawMessage{}, v1: r.API == llm.CohereEmbedV1}
	for _, t := range r.Params.EncodingFormats {
		if t == "float" || t == "base64" {
			w.types = append(w.types, t)
		} else if err := loss.Field(r, llm.FieldEncoding, "Other providers have float and base64, not "+t); err != nil {
			return nil, err
		}
	}
	if len(w.types) == 0 && (!w.v1 || len(r.Params.EncodingFormats) > 0) {
		w.types = []string{"float"}
	}
	c, err := r.Conversation()
	if err != nil {
		return nil, err
	}
	for _, in := range c.Inputs {
		if len(in) == 1 && in[0].Kind == llm.PartText {
			w.texts = append(w.texts, in[0].Text)
		}
	}
	return w, nil
}

// ContentType implements llm.Writer.
func (*embedWriter) ContentType() string { return "application/json" }

// Write implements llm.Writer.
func (w *embedWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	w.note(ev)
	for _, v := range ev.Vectors {
		if err := w.keep(len(v)); err != nil {
			return dst, err
		}
		w.vectors = append(w.vectors, slices.Clone(v))
	}
	return dst, nil
}

type embedResponse struct {
	ID           string   `json:"id"`
	Embeddings   any      `json:"embeddings"` // by type, or a list
	Texts        []string `json:"texts"`
	Meta         meta     `json:"meta"`
	ResponseType string   `json:"response_type"`
}

type meta struct {
	APIVersion  apiVersion `json:"api_version"`
	BilledUnits *units     `json:"billed_units,omitempty"`
}

type apiVersion struct {
	Version string `json:"version"`
}

type byType struct {
	Float  []json.RawMessage `json:"float,omitempty"`
	Base64 []string          `json:"base64,omitempty"`
}

// Close implements llm.Writer.
func (w *embedWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	out := embedResponse{ID: w.name(), Texts: w.texts, ResponseType: "embeddings_by_type", Meta: meta{APIVersion: apiVersion{"2"}}}
	if w.v1 {
		out.Meta.APIVersion.Version = "1"
	}
	if out.Texts == nil {
		out.Texts = []string{}
	}
	if w.counts.Input.Set {
		out.Meta.BilledUnits = &units{InputTokens: dialect.Pointer(w.counts.Input)}
	}
	if len(w.types) == 0 {
		out.Embeddings, out.ResponseType = w.vectors, "embeddings_floats"
	} else {
		var b byType
		for _, t := range w.types {
			if t == "float" {
				b.Float = w.vectors
				continue
			}
			for _, v := range w.vectors {
				b.Base64 = append(b.Base64, packed(v))
			}
		}
		out.Embeddings = b
	}
	body, err := encode(&out)
	return append(dst, body...), err
}

// packed is a JSON array of numbers as base64 of 32-bit floats, little-endian.
func packed(v []byte) string {
	var b bytes.Buffer
	for it := jsonscan.Array(v); it.Next(); {
		f, _ := jsonscan.Float(it.Value())
		b.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f))))
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}
