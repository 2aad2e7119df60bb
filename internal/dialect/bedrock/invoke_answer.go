package bedrock

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// reply is the members of a response, or of a chunk of one, that are understood, of whichever model.
type reply struct {
	// Anthropic's messages and completions, whole and as events.
	typ, id, model, content, stopReason, stopSequence, stop, completion, message, delta, block, index, fail []byte
	usage                                                                                                   []byte // Nova's and OpenAI's too
	// Nova's, which are Converse's.
	output, novaStop, start, blockStart, blockDelta, blockStop, messageStop, metadata []byte
	// Titan's.
	results, inputCount, outputText, outputCount, completionReason []byte
	embedding, embeddings, byType                                  []byte // and Cohere's
	// Llama's and Mistral's.
	generation, promptCount, generationCount, outputs []byte
	// OpenAI's.
	choices, fingerprint, tier []byte
	// Cohere's: Command, Command R.
	generations, responseID, generationID, text, finishReason, toolCalls, event, finished, response, meta, history []byte
	beside                                                                                                         [4][]byte // what Command R cites
	// Jurassic's.
	completions []byte
	// Bedrock's own.
	measured, trace []byte
}

// scan takes the members out of data; ok is false when it is not an object.
func (m *reply) scan(data []byte) (ok bool) {
	*m = reply{}
	it := jsonscan.Object(data)
	for it.Next() {
		if dst := m.member(string(it.Key())); dst != nil {
			*dst = it.Value()
		}
	}
	return it.Err() == nil
}

// member is where the member called key goes; nil = nowhere.
func (m *reply) member(key string) *[]byte {
	switch key {
	case "type":
		return &m.typ
	case "id":
		return &m.id
	case "model":
		return &m.model
	case "content":
		return &m.content
	case "stop_reason":
		return &m.stopReason
	case "stop_sequence":
		return &m.stopSequence
	case "stop":
		return &m.stop
	case "completion":
		return &m.completion
	case "message":
		return &m.message
	case "delta":
		return &m.delta
	case "content_block":
		return &m.block
	case "index":
		return &m.index
	case "error":
		return &m.fail
	case "usage":
		return &m.usage
	case "choices":
		return &m.choices
	case "system_fingerprint":
		return &m.fingerprint
	case "service_tier":
		return &m.tier
	case "completions":
		return &m.completions
	case "amazon-bedrock-invocationMetrics":
		return &m.measured
	case "amazon-bedrock-trace":
		return &m.trace
	}
	if dst := m.amazon(key); dst != nil {
		return dst
	}
	return m.others(key)
}

// amazon is member for Nova and Titan.
func (m *reply) amazon(key string) *[]byte {
	switch key {
	case "output":
		return &m.output
	case "stopReason":
		return &m.novaStop
	case messageStart:
		return &m.start
	case blockStart:
		return &m.blockStart
	case blockDelta:
		return &m.blockDelta
	case blockStop:
		return &m.blockStop
	case messageStop:
		return &m.messageStop
	case metadata:
		return &m.metadata
	case "results":
		return &m.results
	case "inputTextTokenCount":
		return &m.inputCount
	case "outputText":
		return &m.outputText
	case "totalOutputTextTokenCount":
		return &m.outputCount
	case "completionReason":
		return &m.completionReason
	case "embedding":
		return &m.embedding
	case "embeddings":
		return &m.embeddings
	case "embeddingsByType":
		return &m.byType
	}
	return nil
}

// others is member for Llama, Mistral and Cohere.
func (m *reply) others(key string) *[]byte {
	switch key {
	case "generation":
		return &m.generation
	case "prompt_token_count":
		return &m.promptCount
	case "generation_token_count":
		return &m.generationCount
	case "outputs":
		return &m.outputs
	case "generations":
		return &m.generations
	case "response_id":
		return &m.responseID
	case "generation_id":
		return &m.generationID
	case "text":
		return &m.text
	case "finish_reason":
		return &m.finishReason
	case "tool_calls":
		return &m.toolCalls
	case "event_type":
		return &m.event
	case "is_finished":
		return &m.finished
	case "response":
		return &m.response
	case "meta":
		return &m.meta
	case "chat_history":
		return &m.history
	case "citations":
		return &m.beside[0]
	case "documents":
		return &m.beside[1]
	case "search_queries":
		return &m.beside[2]
	case "search_results":
		return &m.beside[3]
	}
	return nil
}

// kind is the type that an object of Anthropic's names. Claude 2 leaves it out of its completions, as the user guide has them
// ("Anthropic Claude Text Completions API"); a message is told by its content all the same.
func (m *reply) kind() string {
	switch {
	case !jsonscan.IsNull(m.typ):
		return word(m.typ)
	case m.completion != nil:
		return "completion"
	case m.content != nil:
		return "message"
	}
	return ""
}

// word is the text of the JSON string v, which has no escapes, without a copy of its own where it is compared at once.
func word(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	return string(v[1 : len(v)-1])
}

// stops reports whether the frame ends a content block.
func (m *reply) stops() bool { return m.blockStop != nil || m.kind() == "content_block_stop" }

// echoes are the values that tell of the texts once more: tokens and their probabilities.
func (m *reply) echoes() [][]byte {
	var out [][]byte
	each(m.choices, func(_ int, c []byte) { out = append(out, member(c, "logprobs")) })
	each(m.completions, func(_ int, c []byte) { out = append(out, member(member(c, "data"), "tokens")) })
	each(m.generations, func(_ int, c []byte) { out = append(out, member(c, "token_likelihoods")) })
	return out
}

// each calls do for the items of the list v.
func each(v []byte, do func(i int, v []byte)) {
	if jsonscan.KindOf(v) != jsonscan.List {
		return
	}
	i := 0
	for it := jsonscan.Array(v); it.Next(); i++ {
		do(i, it.Value())
	}
}

// number is the whole number v, or otherwise.
func number(v []byte, otherwise int) int {
	if n, ok := jsonscan.Int(v); ok {
		return int(n)
	}
	return otherwise
}

// meta reads all but the content.
func (d *invokeDecoder) meta(m *reply, ev *llm.Event) {
	whole := ev.Whole
	before := d.own
	switch {
	case m.kind() != "":
		d.anthropic(m, ev)
	case m.output != nil, m.start != nil, m.messageStop != nil, m.metadata != nil:
		d.nova(m, ev)
	case m.choices != nil:
		d.chat(m, ev)
	case m.embedding != nil, m.embeddings != nil, m.byType != nil:
		ev.ID, ev.Dimensions = jsonscan.String(m.id), dimensions(m)
		dialect.SetInt(&d.own.input, m.inputCount)
	default:
		d.texts(m, ev)
	}
	if m.measured != nil {
		d.metrics(m.measured)
	}
	ev.Last = ev.Last || whole || m.measured != nil
	if whole || m.measured != nil || d.own != before {
		d.report(ev)
	}
}

// choose adds a choice.
func (d *invokeDecoder) choose(ev *llm.Event, index int, finish, stop []byte) {
	ev.Choices = append(ev.Choices, llm.Choice{Index: index, Finish: d.finish.Of(finish), Stop: jsonscan.String(stop)})
}

// anthropic reads a message, a completion or an event (Anthropic API reference, Messages, Streaming messages, Text Completions).
func (d *invokeDecoder) anthropic(m *reply, ev *llm.Event) {
	switch m.kind() {
	case "message_start":
		inner := m.message
		ev.ID, ev.Model = jsonscan.String(member(inner, "id")), jsonscan.String(member(inner, "model"))
		d.choose(ev, 0, member(inner, "stop_reason"), nil)
		d.own.read(member(inner, "usage"))
	case "message_delta":
		d.choose(ev, 0, member(m.delta, "stop_reason"), member(m.delta, "stop_sequence"))
		d.own.read(m.usage)
	case "message_stop":
		ev.Last = true
	case "message":
		ev.ID, ev.Model = jsonscan.String(m.id), jsonscan.String(m.model)
		d.choose(ev, 0, m.stopReason, m.stopSequence)
		d.own.read(m.usage)
	case "completion":
		ev.ID, ev.Model = jsonscan.String(m.id), jsonscan.String(m.model)
		d.choose(ev, 0, m.stopReason, m.stop)
	case "error":
		ev.Err = &llm.Error{Type: jsonscan.String(member(m.fail, "type")), Message: jsonscan.String(member(m.fail, "message"))}
	}
}

// nova reads Nova's response, or an event of one, which are Converse's but for the names of the counts of what is cached.
func (d *invokeDecoder) nova(m *reply, ev *llm.Event) {
	switch {
	case m.output != nil:
		d.choose(ev, 0, m.novaStop, nil)
		d.own.read(m.usage)
	case m.start != nil:
		d.choose(ev, 0, nil, nil)
	case m.messageStop != nil:
		d.choose(ev, 0, member(m.messageStop, "stopReason"), nil)
	default:
		d.own.read(member(m.metadata, "usage"))
	}
}

// chat reads a completion of OpenAI's kind, or a chunk of one. Mistral's models and some others have stop_reason in place of
// finish_reason.
func (d *invokeDecoder) chat(m *reply, ev *llm.Event) {
	ev.ID, ev.Model = d.id.Of(m.id), d.model.Of(m.model)
	ev.Fingerprint, ev.ServiceTier = jsonscan.String(m.fingerprint), jsonscan.String(m.tier)
	each(m.choices, func(i int, c []byte) {
		finish := member(c, "finish_reason")
		if jsonscan.IsNull(finish) {
			finish = member(c, "stop_reason")
		}
		d.choose(ev, number(member(c, "index"), i), finish, nil)
	})
	d.own.read(m.usage)
}

// texts reads the models that go by prompts, and Command R.
func (d *invokeDecoder) texts(m *reply, ev *llm.Event) {
	switch {
	case m.results != nil:
		d.titan(m, ev)
	case m.outputText != nil, m.completionReason != nil:
		d.choose(ev, number(m.index, 0), m.completionReason, nil)
		dialect.SetInt(&d.own.input, m.inputCount)
		dialect.SetInt(&d.own.output, m.outputCount)
	case m.generation != nil:
		d.choose(ev, 0, m.stopReason, nil)
		dialect.SetInt(&d.own.input, m.promptCount)
		dialect.SetInt(&d.own.output, m.generationCount)
	case m.outputs != nil:
		each(m.outputs, func(i int, o []byte) { d.choose(ev, i, member(o, "stop_reason"), nil) })
	case m.generations != nil:
		ev.ID = jsonscan.String(m.id)
		each(m.generations, func(i int, g []byte) { d.choose(ev, number(member(g, "index"), i), member(g, "finish_reason"), nil) })
	case m.completions != nil:
		if ev.ID = jsonscan.String(m.id); jsonscan.KindOf(m.id) == jsonscan.Number {
			ev.ID = string(m.id)
		}
		each(m.completions, func(i int, c []byte) { d.choose(ev, i, member(member(c, "finishReason"), "reason"), nil) })
	default:
		d.command(m, ev)
	}
}

// titan reads a whole response of Titan's text models.
func (d *invokeDecoder) titan(m *reply, ev *llm.Event) {
	dialect.SetInt(&d.own.input, m.inputCount)
	each(m.results, func(i int, r []byte) {
		d.choose(ev, i, member(r, "completionReason"), nil)
		if n, ok := jsonscan.Int(member(r, "tokenCount")); ok {
			d.own.output = llm.Some(d.own.output.V + n)
		}
	})
}

// command reads a response of Command R, or a chunk of Cohere's models, of which the last tells the whole again (Cohere API
// reference, Chat V1).
func (d *invokeDecoder) command(m *reply, ev *llm.Event) {
	id, other, meta := m.responseID, m.generationID, m.meta
	switch {
	case m.response != nil:
		id, other, meta = member(m.response, "response_id"), member(m.response, "generation_id"), member(m.response, "meta")
	case m.event != nil:
		id, other = nil, nil
	case m.text == nil && m.finished == nil && id == nil:
		return
	}
	if ev.ID = jsonscan.String(id); ev.ID == "" {
		ev.ID = jsonscan.String(other)
	}
	finish := m.finishReason
	if finish == nil {
		finish = member(m.response, "finish_reason")
	}
	d.choose(ev, number(m.index, 0), finish, nil)
	tokens := member(meta, "tokens")
	if tokens == nil {
		tokens = member(meta, "billed_units")
	}
	if tokens != nil {
		dialect.SetInt(&d.own.input, member(tokens, "input_tokens"))
		dialect.SetInt(&d.own.output, member(tokens, "output_tokens"))
	}
}

// vectorList appends the vectors in v: a list of numbers, of lists, of objects with an embedding, or lists by type, of which the
// floats count, else the first.
func vectorList(dst [][]byte, v []byte) [][]byte {
	switch jsonscan.KindOf(v) {
	case jsonscan.Dict:
		if inner := member(v, "embedding"); inner != nil {
			return vectorList(dst, inner)
		}
		if floats := member(v, "float"); floats != nil {
			return vectorList(dst, floats)
		}
		it := jsonscan.Object(v)
		if it.Next() {
			return vectorList(dst, it.Value())
		}
	case jsonscan.List:
		first := jsonscan.Array(v)
		if !first.Next() || jsonscan.KindOf(first.Value()) == jsonscan.Number {
			return append(dst, v)
		}
		for it := jsonscan.Array(v); it.Next(); {
			dst = vectorList(dst, it.Value())
		}
	case jsonscan.Text:
		return append(dst, v)
	}
	return dst
}

// vectors appends the vectors of an embeddings response.
func vectors(dst [][]byte, m *reply) [][]byte {
	for _, v := range [...][]byte{m.embedding, m.byType, m.embeddings} {
		if v != nil {
			return vectorList(dst, v)
		}
	}
	return dst
}

// dimensions is the length of the vectors; of one in base64, four bytes are a number.
func dimensions(m *reply) int {
	var buf [1][]byte
	all := vectors(buf[:0], m)
	if len(all) == 0 {
		return 0
	}
	n := 0
	if jsonscan.KindOf(all[0]) == jsonscan.Text {
		return (len(all[0]) - len(`""`)) / 4 * 3 / 4
	}
	each(all[0], func(int, []byte) { n++ })
	return n
}
