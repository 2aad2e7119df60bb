package demo

import (
	"encoding/json"
	"net/http"
	"strings"
)

// The types below are those of the Gemini API reference, "Generating content" (generateContent and streamGenerateContent)
// and "Embeddings" (embedContent).

type geminiCall struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

type geminiPart struct {
	Text *string     `json:"text,omitempty"`
	Call *geminiCall `json:"functionCall,omitempty"`
}

type geminiContent struct {
	Parts []geminiPart `json:"parts"`
	Role  string       `json:"role"`
}

type geminiCandidate struct {
	Content geminiContent `json:"content"`
	Finish  string        `json:"finishReason,omitempty"`
	Index   int           `json:"index"`
}

type geminiUsage struct {
	Prompt     int `json:"promptTokenCount"`
	Candidates int `json:"candidatesTokenCount,omitempty"`
	Total      int `json:"totalTokenCount"`
}

type geminiResponse struct {
	Candidates []geminiCandidate `json:"candidates"`
	Usage      geminiUsage       `json:"usageMetadata"`
	Version    string            `json:"modelVersion"`
	ID         string            `json:"responseId"`
}

// Gemini has no finish reason for a call of a function.
var geminiFinish = [...]string{finishStop: "STOP", finishLength: "MAX_TOKENS", finishTool: "STOP"}

func geminiGenerate() endpoint {
	return endpoint{parse: parseGemini, whole: geminiWhole, stream: geminiStream, fail: geminiFail}
}

func parseGemini(r *http.Request, body []byte) (*prompt, error) {
	type content struct {
		Role  string
		Parts []struct {
			Text             string
			FunctionResponse json.RawMessage
		}
	}
	var q struct {
		Contents          []content
		SystemInstruction content
		Content           content // of embedContent
		Tools             []struct{ FunctionDeclarations []offered }
		GenerationConfig  struct{ MaxOutputTokens int }
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	model, method, _ := strings.Cut(r.PathValue("call"), ":")
	p := &prompt{model: model, stream: method == "streamGenerateContent", array: r.URL.Query().Get("alt") != "sse",
		limit: q.GenerationConfig.MaxOutputTokens}
	switch method {
	case "generateContent", "streamGenerateContent":
	case "embedContent":
		p.dimensions, q.Contents = defaultDimensions, []content{q.Content}
	default:
		return nil, failure{http.StatusNotFound, "not_found", "The demo provider has no method '" + method + "'"}
	}
	if len(q.Contents) == 0 {
		return nil, missing("contents")
	}
	for _, t := range q.Tools {
		p.offer(t.FunctionDeclarations)
	}
	for _, part := range q.SystemInstruction.Parts {
		p.texts = append(p.texts, part.Text)
	}
	for _, c := range q.Contents {
		text := ""
		p.answered = false
		for _, part := range c.Parts {
			text += part.Text
			p.answered = p.answered || len(part.FunctionResponse) > 0
		}
		p.add(text)
		if c.Role != "model" && text != "" {
			p.last = text
		}
	}
	return p, nil
}

// gemini is a response that says part; the last one has the finish reason and the count of what was said.
func (a *answer) gemini(p *prompt, part geminiPart, last bool) *geminiResponse {
	c := geminiCandidate{Content: geminiContent{Parts: []geminiPart{part}, Role: "model"}}
	u := geminiUsage{Prompt: a.in, Total: a.in}
	if last {
		c.Finish = geminiFinish[a.finish]
		u.Candidates, u.Total = a.out(), a.in+a.out()
	}
	return &geminiResponse{Candidates: []geminiCandidate{c}, Usage: u, Version: p.model, ID: a.id}
}

func (a *answer) geminiPart(text string) geminiPart {
	if a.tool != "" {
		return geminiPart{Call: &geminiCall{a.tool, json.RawMessage(text)}}
	}
	return geminiPart{Text: &text}
}

func geminiWhole(p *prompt, a *answer) any {
	if p.dimensions > 0 {
		type values struct {
			Values []float32 `json:"values"`
		}
		return map[string]values{"embedding": {vector(strings.Join(p.texts, "\n"), p.dimensions)}}
	}
	return a.gemini(p, a.geminiPart(a.text()), true)
}

// geminiStream sends one response per piece, as events or as the elements of one JSON array. A function call has no pieces:
// Gemini sends it whole.
func geminiStream(p *prompt, a *answer, w *stream) {
	first := true
	send := func(r *geminiResponse) {
		if !p.array {
			w.sse("", r)
			return
		}
		sep := ",\r\n"
		if first {
			sep = "["
		}
		first = false
		w.bytes(append([]byte(sep), encode(r)...))
	}
	if p.array {
		w.start("application/json")
	} else {
		w.start("text/event-stream")
	}
	n := 0
	for piece := range w.pieces(a) {
		n++
		switch last := n == len(a.pieces); {
		case a.tool == "":
			send(a.gemini(p, a.geminiPart(piece), last))
		case last:
			send(a.gemini(p, a.geminiPart(a.text()), true))
		}
	}
	if p.array {
		w.bytes([]byte("]"))
	}
}

func geminiFail(f failure) any {
	status := "INVALID_ARGUMENT"
	switch {
	case f.status == http.StatusNotFound:
		status = "NOT_FOUND"
	case f.status == http.StatusTooManyRequests:
		status = "RESOURCE_EXHAUSTED"
	case f.status == http.StatusServiceUnavailable:
		status = "UNAVAILABLE"
	case f.status >= http.StatusInternalServerError:
		status = "INTERNAL"
	}
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
	}
	return map[string]detail{"error": {f.status, f.message, status}}
}
