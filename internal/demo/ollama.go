package demo

import (
	"encoding/json"
	"net/http"
)

// The types below are those of Ollama's API documentation (docs/api.md), "Generate a chat completion", "Generate a
// completion" and "Generate Embeddings". Durations are nanoseconds.

type ollamaFunction struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type ollamaToolCall struct {
	Function ollamaFunction `json:"function"`
}

type ollamaMessage struct {
	Role      string           `json:"role"`
	Content   string           `json:"content"`
	ToolCalls []ollamaToolCall `json:"tool_calls,omitempty"`
}

type ollamaResponse struct {
	Model              string         `json:"model"`
	Created            string         `json:"created_at"`
	Message            *ollamaMessage `json:"message,omitempty"`  // of /api/chat
	Response           *string        `json:"response,omitempty"` // of /api/generate
	Done               bool           `json:"done"`
	DoneReason         string         `json:"done_reason,omitempty"`
	TotalDuration      int64          `json:"total_duration,omitempty"`
	LoadDuration       int64          `json:"load_duration,omitempty"`
	PromptEvalCount    int            `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64          `json:"prompt_eval_duration,omitempty"`
	EvalCount          int            `json:"eval_count,omitempty"`
	EvalDuration       int64          `json:"eval_duration,omitempty"`
}

var ollamaDone = [...]string{finishStop: "stop", finishLength: "length", finishTool: "stop"}

// ollama answers /api/chat, or /api/generate.
func ollama(generate bool) endpoint {
	say := func(p *prompt, text string) *ollamaResponse {
		r := &ollamaResponse{Model: p.model, Created: createdTime()}
		if generate {
			r.Response = &text
		} else {
			r.Message = &ollamaMessage{Role: "assistant", Content: text}
		}
		return r
	}
	// saySome is a part of the answer; a tool's call is one part.
	saySome := func(p *prompt, a *answer, text string) *ollamaResponse {
		if a.tool == "" || generate {
			return say(p, text)
		}
		r := say(p, "")
		r.Message.ToolCalls = []ollamaToolCall{{ollamaFunction{a.tool, json.RawMessage(text)}}}
		return r
	}
	return endpoint{
		parse: func(_ *http.Request, body []byte) (*prompt, error) { return parseOllama(body, generate) },
		whole: func(p *prompt, a *answer) any {
			r := saySome(p, a, a.text())
			r.finish(a)
			return r
		},
		stream: func(p *prompt, a *answer, w *stream) {
			w.start("application/x-ndjson")
			send := func(r *ollamaResponse) { w.bytes(append(encode(r), '\n')) }
			n := 0
			for piece := range w.pieces(a) {
				n++
				switch {
				case a.tool == "":
					send(saySome(p, a, piece))
				case n == len(a.pieces):
					send(saySome(p, a, a.text()))
				}
			}
			r := say(p, "")
			r.finish(a)
			send(r)
		},
		fail: ollamaFail,
	}
}

func ollamaFail(f failure) any { return map[string]string{"error": f.message} }

// ollamaEmbed answers /api/embed, whose request is like OpenAI's.
func ollamaEmbed() endpoint {
	return endpoint{parse: parseEmbeddings, fail: ollamaFail, whole: func(p *prompt, a *answer) any {
		r := struct {
			Model           string      `json:"model"`
			Embeddings      [][]float32 `json:"embeddings"`
			PromptEvalCount int         `json:"prompt_eval_count"`
		}{p.model, nil, a.in}
		for _, text := range p.texts {
			r.Embeddings = append(r.Embeddings, vector(text, orDefault(p.dimensions)))
		}
		return r
	}}
}

func parseOllama(body []byte, generate bool) (*prompt, error) {
	var q struct {
		Model    string
		Stream   *bool // absent = true
		Messages []message
		Prompt   string
		System   string
		Tools    []offered
		Options  struct {
			NumPredict int `json:"num_predict"`
		}
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if q.Model == "" {
		return nil, missing("model")
	}
	p := &prompt{model: q.Model, stream: q.Stream == nil || *q.Stream, limit: q.Options.NumPredict}
	if generate {
		if q.System != "" {
			p.texts = append(p.texts, q.System)
		}
		p.last = q.Prompt
		p.add(q.Prompt)
		return p, nil
	}
	p.offer(q.Tools)
	p.converse(q.Messages)
	return p, nil
}

// finish makes r the last response: with the reason, the counts, and made-up durations of 1 ms per token, which do not
// depend on the clock.
func (r *ollamaResponse) finish(a *answer) {
	const perToken = 1_000_000
	r.Done, r.DoneReason = true, ollamaDone[a.finish]
	r.PromptEvalCount, r.EvalCount = a.in, a.out()
	r.PromptEvalDuration, r.EvalDuration = int64(a.in)*perToken, int64(a.out())*perToken
	r.LoadDuration = perToken
	r.TotalDuration = r.LoadDuration + r.PromptEvalDuration + r.EvalDuration
}
