package openai

import (
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// The types of output items that other providers' answers are made of.
const (
	typeMessage   = "message"
	typeReasoning = "reasoning"
	typeCall      = "function_call"
)

// The statuses of responses and of their items.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
)

// echoed are the members of a request that its answer says again, and what it says where the request does not ("The response
// object").
var echoed = [...]struct{ key, otherwise string }{
	{"instructions", "null"}, {"max_output_tokens", "null"}, {"max_tool_calls", "null"}, {"metadata", "{}"},
	{"parallel_tool_calls", "true"}, {"previous_response_id", "null"}, {"prompt_cache_key", "null"},
	{"reasoning", `{"effort":null,"summary":null}`}, {"safety_identifier", "null"}, {"temperature", "1.0"},
	{"text", `{"format":{"type":"text"}}`}, {"tool_choice", `"auto"`}, {"tools", "[]"}, {"top_logprobs", "0"}, {"top_p", "1.0"},
	{"truncation", `"disabled"`}, {"user", "null"},
}

// echo is what an answer to r says of r, with a comma before each member.
func echo(r *llm.Request) []byte {
	var values [len(echoed)][]byte
	for it := jsonscan.Object(r.Raw); it.Next(); {
		for i := range echoed {
			if echoed[i].key == string(it.Key()) {
				values[i] = it.Value()
			}
		}
	}
	out := []byte(`,"background":false`)
	for i := range echoed {
		out = append(out, ',')
		out = append(jsonscan.AppendString(out, echoed[i].key), ':')
		if jsonscan.IsNull(values[i]) {
			out = append(out, echoed[i].otherwise...)
		} else {
			out = append(out, values[i]...)
		}
	}
	return out
}

// event begins an event of the stream.
func (w *responsesWriter) event(dst []byte, name string) []byte {
	dst = append(append(dst, "event: "...), name...)
	dst = append(append(dst, "\ndata: {\"type\":\""...), name...)
	dst = append(dst, `","sequence_number":`...)
	dst = strconv.AppendInt(dst, w.seq, 10)
	w.seq++
	return dst
}

func (w *responsesWriter) end(dst []byte) []byte { return append(dst, "}\n\n"...) }

// itemEvent begins an event about x; the events of its content name it by its id.
func (w *responsesWriter) itemEvent(dst []byte, name string, x *item, named bool) []byte {
	dst = w.event(dst, name)
	if named {
		dst = append(dst, `,"item_id":`...)
		dst = jsonscan.AppendString(dst, x.id)
	}
	dst = append(dst, `,"output_index":`...)
	return strconv.AppendInt(dst, int64(x.at), 10)
}

// contentEvent begins an event about the last content part of x.
func (w *responsesWriter) contentEvent(dst []byte, name string, x *item) []byte {
	dst = append(w.itemEvent(dst, name, x, true), `,"content_index":`...)
	return strconv.AppendInt(dst, int64(len(x.contents)-1), 10)
}

func (w *responsesWriter) summaryEvent(dst []byte, name string, x *item) []byte {
	return append(w.itemEvent(dst, name, x, true), `,"summary_index":0`...)
}

// object appends the response as it stands.
func (w *responsesWriter) object(dst []byte, status string, e *llm.Error) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(jsonscan.AppendString(dst, w.id), `,"object":"response","created_at":`...)
	dst = append(strconv.AppendInt(dst, w.created, 10), `,"status":`...)
	dst = append(jsonscan.AppendString(dst, status), `,"error":`...)
	if e != nil {
		code := e.Type
		if code == "" {
			code = "server_error"
		}
		dst = append(dst, `{"code":`...)
		dst = append(jsonscan.AppendString(dst, code), `,"message":`...)
		dst = append(jsonscan.AppendString(dst, e.Message), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	if status == statusIncomplete {
		dst = append(dst, `{"reason":`...)
		dst = append(jsonscan.AppendString(dst, incomplete(w.finish)), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"model":`...)
	dst = append(jsonscan.AppendString(dst, w.model), `,"output":[`...)
	if status != statusInProgress {
		for i, x := range w.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			own := statusCompleted
			if !x.done || i == len(w.items)-1 && status != statusCompleted {
				own = statusIncomplete
			}
			dst = x.append(dst, own)
		}
	}
	dst = append(append(dst, ']'), w.echo...)
	dst = append(dst, `,"usage":`...)
	if w.counts == nil || status == statusInProgress {
		return append(dst, "null}"...)
	}
	return append(appendResponsesUsage(dst, w.counts), '}')
}

// append appends x as an output item.
func (x *item) append(dst []byte, status string) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(jsonscan.AppendString(dst, x.id), `,"type":"`...)
	dst = append(append(dst, x.typ...), '"')
	switch x.typ {
	case typeReasoning: // has no status, as in answers of OpenAI's
		dst = append(dst, `,"summary":[`...)
		if x.summed {
			dst = x.summary(dst)
		}
		dst = append(dst, ']')
		if x.sealed != "" {
			dst = append(dst, `,"encrypted_content":`...)
			dst = jsonscan.AppendString(dst, x.sealed)
		}
		return append(dst, '}')
	case typeCall:
		dst = append(dst, `,"call_id":`...)
		dst = append(jsonscan.AppendString(dst, x.call), `,"name":`...)
		dst = append(jsonscan.AppendString(dst, x.name), `,"arguments":`...)
		dst = jsonscan.AppendString(dst, string(x.text))
	case typeMessage:
		dst = append(dst, `,"role":"assistant","content":[`...)
		for i := range x.contents {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = x.contents[i].append(dst)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"status":"`...)
	return append(append(dst, status...), `"}`...)
}

func (x *item) summary(dst []byte) []byte {
	dst = append(dst, `{"type":"summary_text","text":`...)
	return append(jsonscan.AppendString(dst, string(x.text)), '}')
}

// append appends c as a content part.
func (c *content) append(dst []byte) []byte {
	if c.refusal {
		dst = append(dst, `{"type":"refusal","refusal":`...)
		return append(jsonscan.AppendString(dst, string(c.text)), '}')
	}
	dst = append(dst, `{"type":"output_text","text":`...)
	dst = append(jsonscan.AppendString(dst, string(c.text)), `,"annotations":[],"logprobs":[`...)
	return append(append(dst, c.probs...), "]}"...)
}

func appendResponsesUsage(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = append(strconv.AppendInt(dst, u.Input.V, 10), `,"input_tokens_details":{"cached_tokens":`...)
	dst = append(strconv.AppendInt(dst, u.CacheRead.V, 10), `,"cache_write_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite.V, 10)
	dst = append(dst, `},"output_tokens":`...)
	dst = append(strconv.AppendInt(dst, u.Output.V, 10), `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = append(strconv.AppendInt(dst, u.Reasoning.V, 10), `},"total_tokens":`...)
	return append(strconv.AppendInt(dst, u.Input.V+u.Output.V, 10), '}')
}

// appendLogprobs appends list without its brackets, and a comma before it where others stand already.
func appendLogprobs(dst []byte, list []llm.Logprob) []byte {
	for i := range list {
		if len(dst) > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendLogprob(dst, &list[i]), `,"top_logprobs":[`...)
		for j := range list[i].Top {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendLogprob(dst, &list[i].Top[j]), '}')
		}
		dst = append(dst, "]}"...)
	}
	return dst
}

// appendLogprob appends p without the brace that ends it.
func appendLogprob(dst []byte, p *llm.Logprob) []byte {
	dst = append(dst, `{"token":`...)
	dst = append(jsonscan.AppendString(dst, p.Token), `,"logprob":`...)
	dst = strconv.AppendFloat(dst, p.Logprob, 'g', -1, 64)
	dst = append(dst, `,"bytes":`...)
	if p.Bytes == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, c := range p.Bytes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(c), 10)
	}
	return append(dst, ']')
}
