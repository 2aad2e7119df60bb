package openai

import (
	"cmp"
	"strconv"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// setUsage makes v the usage that ev reports, unless it reports nothing.
func (d *decoder) setUsage(v []byte, ev *llm.Event) {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return
	}
	if u := usage(v, d.api); !u.IsZero() {
		d.usage = u
		ev.Usage = &d.usage
	}
}

// usage reads a usage object in the words of chat completions (prompt_tokens, completion_tokens and their details) or of
// Responses and images (input_tokens, output_tokens). Other hosts' words: prompt_cache_hit_tokens (DeepSeek), cached_tokens
// beside the counts (Together, Moonshot), cache_write_tokens (OpenRouter), *_token_details (Writer), reasoning_tokens beside
// the counts (Perplexity), cache_read_input_tokens and cache_creation_input_tokens (LiteLLM).
func usage(v []byte, api llm.API) llm.Usage {
	var u llm.Usage
	var total, read, written, reasoning llm.Opt[int64]
	for it := jsonscan.Object(v); it.Next(); {
		n := count(it.Value())
		switch string(it.Key()) {
		case "prompt_tokens": // some relays add the other API's words, with zeros
			dialect.SetInt(&u.Input, it.Value())
		case "input_tokens":
			first(&u.Input, n)
		case "completion_tokens":
			dialect.SetInt(&u.Output, it.Value())
		case "output_tokens":
			first(&u.Output, n)
		case "total_tokens":
			total = n
		case "prompt_tokens_details", "input_tokens_details", "prompt_token_details":
			for d := jsonscan.Object(it.Value()); d.Next(); {
				n := count(d.Value())
				switch string(d.Key()) {
				case "cached_tokens":
					first(&u.CacheRead, n)
				case "cache_write_tokens":
					first(&u.CacheWrite, n)
				}
			}
		case "completion_tokens_details", "output_tokens_details", "completion_token_details":
			n := count(jsonscan.Get(it.Value(), "reasoning_tokens"))
			first(&u.Reasoning, n)
		case "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens":
			first(&read, n)
		case "cache_creation_input_tokens":
			written = n
		case "reasoning_tokens":
			reasoning = n
		}
	}
	first(&u.CacheRead, read)
	first(&u.CacheWrite, written)
	first(&u.Reasoning, reasoning)
	if api == llm.OpenAIEmbeddings && !u.Input.Set { // Voyage: all tokens of an embedding are input
		u.Input = total
	}
	return u
}

func count(v []byte) llm.Opt[int64] {
	n, ok := jsonscan.Int(v)
	return llm.Opt[int64]{V: n, Set: ok}
}

// first sets dst unless it is set.
func first(dst *llm.Opt[int64], o llm.Opt[int64]) {
	if !dst.Set {
		*dst = o
	}
}

// failure decodes the body of an error response: an error object, its members at the top (vLLM, Mistral, Cerebras), or a list
// of one (Gemini).
func (d *decoder) failure(data []byte, ev *llm.Event) bool {
	if list := jsonscan.Array(data); list.Next() {
		data = list.Value()
	}
	var failed []byte
	it := jsonscan.Object(data)
	for it.Next() {
		if string(it.Key()) == "error" {
			failed = it.Value()
		}
	}
	if it.Err() != nil {
		return false
	}
	if jsonscan.IsNull(failed) {
		failed = data
	}
	ev.Err = newError(failed, d.status)
	return true
}

// newError reads an error object, or an error that is only a text. It returns nil for what says nothing. Status is 0 in an
// error under a status of success.
func newError(v []byte, status int) *llm.Error {
	if status < 400 {
		status = 0
	}
	if isText(v) {
		return &llm.Error{Status: status, Message: jsonscan.String(v)}
	}
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	e := &llm.Error{Status: status}
	var code, typ, word string
	empty := true
	for it := jsonscan.Object(v); it.Next(); empty = false {
		switch m := it.Value(); string(it.Key()) {
		case "code":
			code = jsonscan.String(m)
			if n, ok := jsonscan.Int(m); ok {
				code = strconv.FormatInt(n, 10)
			}
		case "type":
			typ = jsonscan.String(m)
		case "status":
			word = jsonscan.String(m)
		case "message", "detail":
			e.Message = jsonscan.String(m)
		case "param":
			e.Param = jsonscan.String(m)
		}
	}
	if empty {
		return nil
	}
	e.Type = errorName(code, typ, word)
	return e
}

// errorName is the name of an error: its code, else its type, else Google's status. A code that is a number, as OpenRouter,
// vLLM, Mistral and Google have it, names nothing and counts only where there is no name.
func errorName(code, typ, status string) string {
	if _, err := strconv.Atoi(code); code != "" && err != nil {
		return code
	}
	if typ == "error" { // of an event, not of what went wrong
		typ = ""
	}
	return cmp.Or(typ, status, code)
}
