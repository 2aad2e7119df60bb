package demo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// Bounds of embeddings: the first two are those of OpenAI's API reference, "Create embeddings".
const (
	maxInputs         = 2048
	maxDimensions     = 3072
	defaultDimensions = 16
)

func openAIEmbeddings() endpoint {
	return endpoint{parse: parseEmbeddings, whole: embeddings, fail: openAIFail}
}

func parseEmbeddings(_ *http.Request, body []byte) (*prompt, error) {
	var q struct {
		Model          string
		Input          json.RawMessage
		Dimensions     int
		EncodingFormat string `json:"encoding_format"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	inputs := inputsOf(q.Input)
	if len(inputs) == 0 {
		return nil, missing("input")
	}
	if len(inputs) > maxInputs {
		return nil, failure{http.StatusBadRequest, "invalid_request", "At most " + strconv.Itoa(maxInputs) + " inputs are allowed"}
	}
	if q.Dimensions < 0 || q.Dimensions > maxDimensions {
		return nil, failure{http.StatusBadRequest, "invalid_request", "At most " + strconv.Itoa(maxDimensions) + " dimensions are allowed"}
	}
	p := &prompt{model: q.Model, dimensions: q.Dimensions, base64: q.EncodingFormat == "base64"}
	for _, in := range inputs {
		p.add(in)
	}
	return p, nil
}

// inputsOf reads what is to be embedded: a text, a list of texts, a list of token numbers, or a list of such lists. Token
// numbers stand for themselves: their JSON is the text.
func inputsOf(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		if s := textOf(raw); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, v := range list {
		switch v[0] {
		case '"':
			out = append(out, textOf(v))
		case '[':
			out = append(out, string(v))
		default: // one list of token numbers
			return []string{string(raw)}
		}
	}
	return out
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // []float32, or base64 of their little-endian bytes
}

func embeddings(p *prompt, a *answer) any {
	n := orDefault(p.dimensions)
	r := struct {
		Object string         `json:"object"`
		Data   []embedding    `json:"data"`
		Model  string         `json:"model"`
		Usage  map[string]int `json:"usage"`
	}{"list", nil, p.model, map[string]int{"prompt_tokens": a.in, "total_tokens": a.in}}
	for i, text := range p.texts {
		e := embedding{Object: "embedding", Index: i}
		if v := vector(text, n); p.base64 {
			e.Embedding = floatBytes(v)
		} else {
			e.Embedding = v
		}
		r.Data = append(r.Data, e)
	}
	return r
}

// orDefault is n, or the default for 0.
func orDefault(n int) int {
	if n == 0 {
		return defaultDimensions
	}
	return n
}

// vector is a vector of length 1 in n dimensions that depends on nothing but text.
func vector(text string, n int) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))               // never fails
	rnd := rand.New(rand.NewPCG(h.Sum64(), 1)) //nolint:gosec // the same text gives the same vector
	v := make([]float32, n)
	sum := 0.0
	for i := range v {
		x := rnd.NormFloat64()
		v[i] = float32(x)
		sum += x * x
	}
	norm := float32(math.Sqrt(sum))
	for i := range v {
		v[i] /= norm
	}
	return v
}

func floatBytes(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}
