package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Enrich implements llm.Codec.
func (converseCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(err)
	}
	converseAround(a, before, after)
	return a.Result(), nil
}

// converseAround puts turns around a conversation whose instructions and contents are lists of blocks, as Nova's are, too.
func converseAround(a *dialect.Around, before, after []llm.Turn) {
	system, said := dialect.Instructions(before)
	more, rest := dialect.Instructions(after)
	a.InstructList("system", dialect.Block, system, more)
	a.Alternating(said, rest)
}

// Enrich implements llm.Codec, by the members that tell whose body it is.
func (k invokeCodec) Enrich(body []byte, before, after []llm.Turn) ([]byte, error) {
	a, err := dialect.NewAround(body)
	if err != nil {
		return nil, malformed(err)
	}
	switch {
	case k.shape != shapePrompt && k.shape != shapeMessages:
	case a.Has("max_tokens_to_sample"):
		a.Human(before, after)
	case k.shape == shapePrompt:
		for _, name := range [...]string{"prompt", "inputText"} {
			if err := a.Prompt(name, before, after); err != nil {
				return nil, err
			}
		}
	case a.Has("message"):
		a.Command(before, after)
	case a.Has("anthropic_version"):
		a.Claude(before, after)
	case a.Has("schemaVersion") || a.Has("inferenceConfig") || ofBlocks(a):
		converseAround(a, before, after)
	default:
		a.Messages("messages", dialect.SystemMessage, before, after)
	}
	return a.Result(), nil
}

// ofBlocks reports whether the content of the first message is blocks that have no type.
func ofBlocks(a *dialect.Around) (yes bool) {
	a.Each("messages", func(v []byte) {
		block := first(member(first(v), "content"))
		yes = member(block, "text") != nil && member(block, "type") == nil
	})
	return yes
}

// first is the first item of a list, nil when v is none.
func first(v []byte) []byte {
	if jsonscan.KindOf(v) != jsonscan.List {
		return nil
	}
	it := jsonscan.Array(v)
	if !it.Next() {
		return nil
	}
	return it.Value()
}
