package openai

import (
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// reason writes or keeps reasoning. Its text goes where DeepSeek put it and client libraries look for it, reasoning_content. What
// a provider signs or encrypts goes to reasoning_details (OpenRouter, "Reasoning tokens"), with the text that is signed: a client
// that sends the details back sends all that the provider wants to see again.
func (w *writer) reason(dst []byte, x *written, p *llm.Part) []byte {
	if p.Text == "" && p.Signature == "" && p.Data == "" {
		return dst
	}
	n := x.block(p)
	b := &x.blocks[n]
	if b.long = b.long || len(b.text)+len(p.Text) > llm.MaxBody; !b.long {
		b.text = append(b.text, p.Text...)
	}
	b.signature += p.Signature
	if p.Data != "" {
		b.data = p.Data
	}
	b.closed = b.signature != "" || b.data != ""
	if !w.stream {
		return dst
	}
	if p.Text != "" {
		dst = appendMember(w.delta(dst, x), "reasoning_content")
		dst = w.endDelta(jsonscan.AppendString(dst, p.Text))
	}
	if b.closed && b.long { // signed, and no longer known
		w.loss.Lost("reasoning.signature")
	} else if b.closed {
		dst = append(appendMember(w.delta(dst, x), "reasoning_details"), '[')
		dst = w.endDelta(append(b.details(dst, n), ']'))
		b.text = nil
	}
	return dst
}

// block is the number of the block of reasoning that p adds to.
func (x *written) block(p *llm.Part) int {
	for n := len(x.blocks) - 1; n >= 0; n-- {
		if b := &x.blocks[n]; b.part == p.Index && !b.closed {
			return n
		}
	}
	x.blocks = append(x.blocks, block{part: p.Index})
	return len(x.blocks) - 1
}

// details appends b, which is the block n of its choice, as reasoning details: one, or two for encrypted data with a summary.
func (b *block) details(dst []byte, n int) []byte {
	detail := func(typ, key, value string) {
		dst = append(dst, `{"type":"reasoning.`...)
		dst = append(append(dst, typ...), '"')
		if value != "" {
			dst = jsonscan.AppendString(appendMember(dst, key), value)
		}
	}
	end := func() {
		dst = append(dst, `,"index":`...)
		dst = append(strconv.AppendInt(dst, int64(n), 10), '}')
	}
	if b.data == "" {
		detail("text", "text", string(b.text))
		if b.signature != "" {
			dst = jsonscan.AppendString(appendMember(dst, "signature"), b.signature)
		}
		end()
		return dst
	}
	if len(b.text) > 0 {
		detail("summary", "summary", string(b.text))
		end()
		dst = append(dst, ',')
	}
	detail("encrypted", "data", b.data)
	end()
	return dst
}

// appendReasoning appends the members of a whole message that have its reasoning, each after a comma.
func (x *written) appendReasoning(dst []byte) []byte {
	var text []byte
	detailed := false
	for i := range x.blocks {
		text = append(text, x.blocks[i].text...)
		detailed = detailed || x.blocks[i].closed
	}
	if len(text) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = jsonscan.AppendString(dst, string(text))
	}
	if !detailed {
		return dst
	}
	dst = append(dst, `,"reasoning_details":[`...)
	for i := range x.blocks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = x.blocks[i].details(dst, i)
	}
	return append(dst, ']')
}
