package mistral

import (
	"bytes"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Adapt gives the members that OpenAI's client libraries send Mistral's names: max_tokens for max_completion_tokens, random_seed
// for seed, output_dimension for dimensions, the role system for developer, and audio without its object. Of what Mistral refuses it
// leaves out stream_options alone, for Mistral's streams report usage anyway. All else stays, byte for byte, for Mistral to
// refuse in its own words. It implements provider.Endpoint's Adapt.
func Adapt(r *llm.Request, body []byte, _ string) ([]byte, error) {
	if r.Dialect != llm.Mistral || !foreign(r.API, body) {
		return body, nil
	}
	m := dialect.MembersOf(body)
	if r.API == llm.MistralEmbed {
		m.Rename("dimensions", "output_dimension")
		return m.Result(""), nil
	}
	if m.Get("max_completion_tokens") != nil { // it wins, as with OpenAI
		m.Drop("max_tokens")
		m.Rename("max_completion_tokens", "max_tokens")
	}
	if m.Get("random_seed") != nil {
		m.Drop("seed")
	}
	m.Rename("seed", "random_seed")
	m.Drop("stream_options")
	for _, v := range elements(m.Get("messages")) {
		adaptMessage(m, v)
	}
	return m.Result(""), nil
}

// foreign reports whether there may be something to adapt.
func foreign(api llm.API, body []byte) bool {
	for it := jsonscan.Object(body); it.Next(); {
		switch string(it.Key()) {
		case "dimensions", "max_completion_tokens", "seed", "stream_options":
			return true
		case "messages":
			v := it.Value()
			if api == llm.MistralChat && (bytes.Contains(v, []byte(`"developer"`)) || bytes.Contains(v, []byte(`"input_audio"`))) {
				return true
			}
		}
	}
	return false
}

func adaptMessage(m *dialect.Members, v []byte) {
	if role := jsonscan.Get(v, "role"); jsonscan.String(role) == "developer" {
		m.Replace(jsonscan.At(m.Body, role), []byte(`"system"`))
	}
	for _, c := range elements(jsonscan.Get(v, "content")) {
		audio := jsonscan.Get(c, "input_audio")
		if data := jsonscan.Get(audio, "data"); jsonscan.KindOf(data) == jsonscan.Text {
			m.Replace(jsonscan.At(m.Body, audio), bytes.Clone(data))
		}
	}
}
