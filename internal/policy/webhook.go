package policy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// kindWebhook is the Report.Kind of a WebhookGuard.
const kindWebhook = "webhook"

// defaultRejection is what a client is told when the webhook does not say.
const defaultRejection = "Rejected by guardrails webhook"

// maxReason bounds what a webhook says for the span, bytes.
const maxReason = 256

// Why there is no answer, the error.type of the guardrail's span.
const (
	failedTimeout   = "timeout"
	failedReach     = "connect"
	failedMalformed = "malformed"
)

// Poster sends JSON to another service. It is safe for concurrent use.
type Poster interface {
	// Post sends body to url, with header, which it takes over. It ends with ctx.
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, reply []byte, err error)
}

// WebhookGuard asks a service about the texts of requests and responses, and does what that says: let pass, replace, reject. It
// speaks kgateway's guardrail webhook protocol (kgateway AI API, PromptguardRequest.webhook and PromptguardResponse.webhook): POST
// {"body":{"messages":[{"role","content"}]}} to /request, {"body":{"choices":[{"message":{"role","content"}}]}} to /response.
//
// Every text is one message, in the order of the body; of a response the texts of all choices, but not its tool calls.
// A stream is asked about in segments that end with a sentence or a line and have at least 50 characters, one by one; what
// the service is asked does therefore not depend on how the provider cut its stream. See [ir.Guard] for the settings.
type WebhookGuard struct {
	name      string
	conf      ir.Webhook
	request   bool
	response  bool
	endpoint  string // host:port
	rejection llm.Error
	forward   []ir.HeaderRule
	client    Poster
}

// NewWebhookGuard compiles g, whose Webhook must be set. client carries the questions. It fails for a URL or a header rule
// that is none.
func NewWebhookGuard(g ir.Guard, client Poster) (Policy, error) {
	w := g.Webhook
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("guard %s: url %q: want http(s)://host[:port][/path]", g.Name, w.URL)
	}
	p := &WebhookGuard{name: g.Name, conf: *w, request: g.Request != "", response: g.Response != "", client: client}
	p.rejection = llm.Error{Status: g.Reject.Status, Type: Rejected, Message: g.Reject.Message}
	p.endpoint = hostPort(u)
	for _, m := range w.Forward {
		rule, err := m.Compile()
		if err != nil {
			return nil, fmt.Errorf("guard %s: %w", g.Name, err)
		}
		p.forward = append(p.forward, rule)
	}
	return p, nil
}

// Name implements Policy.
func (g *WebhookGuard) Name() string { return g.name }

// Blocking implements Policy.
func (g *WebhookGuard) Blocking() bool { return true }

// Check implements Policy.
func (g *WebhookGuard) Check(ctx context.Context, c *llm.Call, request, response *Report) (Watch, error) {
	if c.Request == nil {
		return nil, nil
	}
	if g.request {
		if err := g.checkRequest(ctx, c, request); err != nil {
			return nil, err
		}
	}
	if !g.response {
		return nil, nil
	}
	return &webhookWatch{guard: g, ctx: ctx, call: c, rep: response}, nil
}

// said is one text and who says it.
type said struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (g *WebhookGuard) checkRequest(ctx context.Context, c *llm.Call, rep *Report) error {
	var texts []said
	_, err := c.Request.EditText(func(role llm.Role, s string) (string, bool) {
		if s != "" {
			texts = append(texts, said{string(role), s})
		}
		return s, false
	})
	if err != nil {
		return fmt.Errorf("guard %s: read the request: %w", g.name, err)
	}
	if len(texts) == 0 {
		return nil
	}
	question := map[string]any{"messages": texts}
	masked, err := g.ask(ctx, c, "/request", question, texts, rep)
	if err != nil || masked == nil {
		return err
	}
	n := 0
	_, err = c.Request.EditText(func(_ llm.Role, s string) (string, bool) {
		if s == "" || n >= len(masked) {
			return s, false
		}
		with := masked[n]
		n++
		return with, with != s
	})
	if err != nil {
		return fmt.Errorf("guard %s: mask the request: %w", g.name, err)
	}
	return nil
}

// ask sends a question about texts and returns what stands in their place, nil when they pass as they are. An error is
// what the call is refused with.
func (g *WebhookGuard) ask(ctx context.Context, c *llm.Call, path string, question any, texts []said, rep *Report) ([]string, error) {
	start := time.Now()
	defer func() { rep.Waited += time.Since(start) }()
	rep.begin(kindWebhook, actionCheck)
	rep.Endpoint = g.endpoint
	header := http.Header{}
	for i := range g.forward {
		for _, v := range c.Head.Header[g.forward[i].Name] {
			if g.forward[i].Takes(v) {
				header[g.forward[i].Name] = append(header[g.forward[i].Name], v)
			}
		}
	}
	if rep.Inject != nil {
		rep.Inject(header)
	}
	body, err := encode(map[string]any{"body": question})
	if err != nil {
		return nil, fmt.Errorf("guard %s: %w", g.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, g.conf.Timeout)
	defer cancel()
	status, reply, err := g.client.Post(ctx, g.conf.URL+path, header, body)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, g.unanswered(rep, failedTimeout)
	case err != nil:
		return nil, g.unanswered(rep, failedReach)
	case status < 200 || status > 299:
		return nil, g.unanswered(rep, failedMalformed)
	}
	a, ok := parseAnswer(reply)
	if !ok {
		return nil, g.unanswered(rep, failedMalformed)
	}
	return g.follow(a, texts, rep)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// unanswered is what becomes of a call about which there is no valid answer.
func (g *WebhookGuard) unanswered(rep *Report, why string) error {
	return unanswered(g.name, g.conf.Failure, &g.rejection, rep, why)
}

// follow does what a valid answer says.
func (g *WebhookGuard) follow(a *answer, texts []said, rep *Report) ([]string, error) {
	switch {
	case a.rejected:
		rep.note(resultRejected, a.reason)
		e := g.rejection
		e.Message = cmp.Or(a.message, defaultRejection)
		if a.status >= 200 && a.status <= 599 {
			e.Status = a.status
		}
		return nil, &e
	case a.masked == nil:
		return nil, nil
	case len(a.masked) != len(texts):
		return nil, g.unanswered(rep, failedMalformed)
	}
	out := make([]string, len(texts))
	changed := false
	for i, m := range a.masked {
		if m.Role != texts[i].Role && texts[i].Role != "" {
			return nil, g.unanswered(rep, failedMalformed)
		}
		out[i] = m.Content
		changed = changed || m.Content != texts[i].Content
	}
	if !changed {
		return nil, nil
	}
	rep.note(resultMasked, a.reason)
	return out, nil
}

// answer is what a webhook answered: a rejection, other texts, or neither.
type answer struct {
	reason   string
	masked   []said
	rejected bool
	message  string
	status   int
}

// parseAnswer reads {"action": …}. Its kinds are told apart by their body: a text rejects, an object masks, without one the
// texts pass.
func parseAnswer(reply []byte) (*answer, bool) {
	var r struct {
		Action *struct {
			Reason string          `json:"reason"`
			Status int             `json:"status_code"`
			Body   json.RawMessage `json:"body"`
		} `json:"action"`
	}
	if json.Unmarshal(reply, &r) != nil || r.Action == nil {
		return nil, false
	}
	a := &answer{reason: r.Action.Reason, status: r.Action.Status}
	body := bytes.TrimSpace(r.Action.Body)
	switch {
	case len(body) == 0 || string(body) == "null":
		a.rejected = a.status != 0
		return a, true
	case body[0] == '"':
		a.rejected = true
		return a, json.Unmarshal(body, &a.message) == nil
	}
	var m struct {
		Messages []said `json:"messages"`
		Choices  []struct {
			Message said `json:"message"`
		} `json:"choices"`
	}
	if json.Unmarshal(body, &m) != nil {
		return nil, false
	}
	a.masked = m.Messages
	for i := range m.Choices {
		a.masked = append(a.masked, m.Choices[i].Message)
	}
	return a, a.masked != nil
}
