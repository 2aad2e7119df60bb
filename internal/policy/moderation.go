package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// kindModeration is the Report.Kind of a ModerationGuard.
const kindModeration = "moderation"

// ModerationGuard shows the texts of requests to a moderation API of OpenAI's form (OpenAI API reference, Create moderation) and refuses
// the call when that flags any: all texts of a request are one question. See [ir.Guard] for the settings.
type ModerationGuard struct {
	name      string
	conf      ir.Moderation
	endpoint  string // host:port
	url       string
	rejection llm.Error
	client    Poster
}

// NewModerationGuard compiles g, whose Moderation must be set. client carries the questions. It fails for a URL that is none, and
// where the guard is to look at responses.
func NewModerationGuard(g ir.Guard, client Poster) (Policy, error) {
	m := g.Moderation
	u, err := url.Parse(m.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("guard %s: url %q: want http(s)://host[:port][/path]", g.Name, m.URL)
	}
	if g.Response != "" {
		return nil, fmt.Errorf("guard %s: a moderation API looks at requests only", g.Name)
	}
	p := &ModerationGuard{name: g.Name, conf: *m, url: strings.TrimRight(m.URL, "/") + "/moderations", client: client}
	p.endpoint = hostPort(u)
	p.rejection = llm.Error{Status: g.Reject.Status, Type: Rejected, Message: g.Reject.Message}
	return p, nil
}

// Name implements Policy.
func (g *ModerationGuard) Name() string { return g.name }

// Blocking implements Policy.
func (g *ModerationGuard) Blocking() bool { return true }

// Check implements Policy.
func (g *ModerationGuard) Check(ctx context.Context, c *llm.Call, request, _ *Report) (Watch, error) {
	if c.Request == nil {
		return nil, nil
	}
	var texts []string
	_, err := c.Request.EditText(func(_ llm.Role, s string) (string, bool) {
		if s != "" {
			texts = append(texts, s)
		}
		return s, false
	})
	if err != nil {
		return nil, fmt.Errorf("guard %s: read the request: %w", g.name, err)
	}
	if len(texts) == 0 {
		return nil, nil
	}
	key := string(g.conf.Key.Value)
	if g.conf.Key.Passthrough {
		if key = bearer(c.Head.Header); key == "" {
			return nil, llm.Errorf(http.StatusUnauthorized, "authentication_error", "The guardrail %s asks with the caller's own API key, sent as a bearer token, and there is none.", g.name)
		}
	}
	return nil, g.ask(ctx, key, strings.Join(texts, "\n"), request)
}

// bearer is the bearer token of a request, "" when it has none.
func bearer(h http.Header) string {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// ask shows text to the API. An error is what the call is refused with.
func (g *ModerationGuard) ask(ctx context.Context, key, text string, rep *Report) error {
	start := time.Now()
	defer func() { rep.Waited += time.Since(start) }()
	rep.begin(kindModeration, actionReject)
	rep.Endpoint, rep.Model = g.endpoint, g.conf.Model
	header := http.Header{}
	if key != "" {
		header["Authorization"] = []string{"Bearer " + key}
	}
	if rep.Inject != nil {
		rep.Inject(header)
	}
	body, err := encode(map[string]any{"model": g.conf.Model, "input": text})
	if err != nil {
		return fmt.Errorf("guard %s: %w", g.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, g.conf.Timeout)
	defer cancel()
	status, reply, err := g.client.Post(ctx, g.url, header, body)
	failed := ""
	var rules []string
	flagged := false
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		failed = failedTimeout
	case err != nil:
		failed = failedReach
	case status < 200 || status > 299:
		failed = strconv.Itoa(status)
	default:
		var ok bool
		if flagged, rules, ok = flags(reply); !ok {
			failed = failedMalformed
		}
	}
	if failed != "" {
		return unanswered(g.name, g.conf.Failure, &g.rejection, rep, failed)
	}
	if !flagged {
		return nil
	}
	rep.note(resultRejected, "")
	rep.Rule = strings.Join(rules, ",")
	rep.Hits[len(rep.Hits)-1].Rule = rep.Rule
	e := g.rejection
	return &e
}

// flags reads what a moderation API answered: whether any result is flagged, and the categories that are. It is not ok without a result.
func flags(reply []byte) (flagged bool, categories []string, ok bool) {
	var r struct {
		Results []struct {
			Flagged    *bool           `json:"flagged"`
			Categories map[string]bool `json:"categories"`
		} `json:"results"`
	}
	if json.Unmarshal(reply, &r) != nil || len(r.Results) == 0 {
		return false, nil, false
	}
	for _, result := range r.Results {
		if result.Flagged == nil {
			return false, nil, false
		}
		if !*result.Flagged {
			continue
		}
		flagged = true
		for name, is := range result.Categories {
			if is && len(name) <= maxReason && !slices.Contains(categories, name) {
				categories = append(categories, name)
			}
		}
	}
	slices.Sort(categories)
	return flagged, categories[:min(len(categories), MaxHits)], true
}

// hostPort is where u is asked.
func hostPort(u *url.URL) string {
	return u.Hostname() + ":" + cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// unanswered is what becomes of a call about which the guard called name got no valid answer, for the reason why.
func unanswered(name, failure string, rejection *llm.Error, rep *Report, why string) error {
	rep.Failed = why
	switch failure {
	case "open":
		return nil
	case "reject":
		rep.note(resultRejected, "")
		e := *rejection
		return &e
	}
	rep.note(resultRejected, "")
	return llm.Errorf(http.StatusServiceUnavailable, Unanswered, "The guardrail %s gave no answer (%s).", name, why)
}
