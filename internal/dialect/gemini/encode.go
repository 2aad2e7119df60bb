package gemini

import (
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// message appends a GenerateContentResponse of what w holds, which is then written.
func (w *writer) message(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '{')
	for i := range w.choices {
		c := &w.choices[i]
		if !c.waits() {
			continue
		}
		if len(dst) == start+1 {
			dst = append(dst, `"candidates":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = c.appendTo(dst)
		c.parts, c.finish, c.logprobs = c.parts[:0], "", c.logprobs[:0]
	}
	if len(dst) > start+1 {
		dst = append(dst, ']')
	}
	w.size = 0
	separate := func() {
		if len(dst) > start+1 {
			dst = append(dst, ',')
		}
	}
	if w.reported {
		separate()
		dst = appendUsage(dst, &w.usage)
		w.reported = false
	}
	if w.model != "" {
		separate()
		dst = jsonscan.AppendString(append(dst, `"modelVersion":`...), w.model)
	}
	if w.id != "" {
		separate()
		dst = jsonscan.AppendString(append(dst, `"responseId":`...), w.id)
	}
	return append(dst, '}')
}

// appendTo appends a Candidate.
func (c *choice) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	if len(c.parts) > 0 {
		dst = append(dst, `"content":{"role":"model","parts":[`...)
		for i := range c.parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = c.parts[i].appendTo(dst)
		}
		dst = append(dst, "]},"...)
	}
	if c.finish != "" {
		dst = append(jsonscan.AppendString(append(dst, `"finishReason":`...), c.finish), ',')
	}
	dst = strconv.AppendInt(append(dst, `"index":`...), int64(c.index), 10)
	if len(c.logprobs) > 0 {
		dst = appendLogprobs(dst, c.logprobs)
	}
	return append(dst, '}')
}

// appendTo appends a Part.
func (h *held) appendTo(dst []byte) []byte {
	switch h.kind {
	case llm.PartToolCall:
		dst = append(dst, `{"functionCall":{`...)
		if h.id != "" {
			dst = append(jsonscan.AppendString(append(dst, `"id":`...), h.id), ',')
		}
		dst = jsonscan.AppendString(append(dst, `"name":`...), h.name)
		dst = append(append(append(dst, `,"args":`...), h.text...), '}')
	case llm.PartBlob:
		dst = jsonscan.AppendString(append(dst, `{"inlineData":{"mimeType":`...), h.mime)
		dst = append(jsonscan.AppendString(append(dst, `,"data":`...), h.data), '}')
	case llm.PartURI:
		dst = jsonscan.AppendString(append(dst, `{"fileData":{"mimeType":`...), h.mime)
		dst = append(jsonscan.AppendString(append(dst, `,"fileUri":`...), h.uri), '}')
	default:
		dst = jsonscan.AppendString(append(dst, `{"text":`...), string(h.text))
		if h.kind == llm.PartReasoning {
			dst = append(dst, `,"thought":true`...)
		}
	}
	if h.signature != "" {
		dst = jsonscan.AppendString(append(dst, `,"thoughtSignature":`...), h.signature)
	}
	return append(dst, '}')
}

// appendLogprobs appends a LogprobsResult as a member that is not the first.
func appendLogprobs(dst []byte, list []llm.Logprob) []byte {
	dst = append(dst, `,"logprobsResult":{"chosenCandidates":[`...)
	top := false
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendLogprob(dst, &list[i])
		top = top || len(list[i].Top) > 0
	}
	if dst = append(dst, ']'); top {
		dst = append(dst, `,"topCandidates":[`...)
		for i := range list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"candidates":[`...)
			for j := range list[i].Top {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = appendLogprob(dst, &list[i].Top[j])
			}
			dst = append(dst, "]}"...)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendLogprob(dst []byte, p *llm.Logprob) []byte {
	dst = jsonscan.AppendString(append(dst, `{"token":`...), p.Token)
	dst = strconv.AppendFloat(append(dst, `,"logProbability":`...), p.Logprob, 'g', -1, 64)
	return append(dst, '}')
}

// appendUsage appends the member usageMetadata: thoughts are not among the candidates' tokens there.
func appendUsage(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, `"usageMetadata":{`...)
	start := len(dst)
	count := func(name string, n llm.Opt[int64]) {
		if n.Set {
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendString(dst, name), ':')
			dst = strconv.AppendInt(dst, n.V, 10)
		}
	}
	count("promptTokenCount", u.Input)
	if u.Output.Set {
		count("candidatesTokenCount", llm.Some(u.Output.V-u.Reasoning.V))
	}
	if u.Input.Set || u.Output.Set {
		count("totalTokenCount", llm.Some(u.Input.V+u.Output.V))
	}
	count("cachedContentTokenCount", u.CacheRead)
	count("thoughtsTokenCount", u.Reasoning)
	return append(dst, '}')
}
