package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
)

// mark is what becomes of a feature.
type mark byte

const (
	unsaid   mark = iota // the client's API has no words for it
	verbatim             // the provider speaks the client's dialect
	carried
	refused
	lossy
)

// outcome is one cell of a table. names are the fields that are refused, or what is lost.
type outcome struct {
	mark  mark
	names []string
}

// TestRequests translates each feature of requests from each client's API to each provider's.
func TestRequests(t *testing.T) {
	for _, f := range section(t, "requests") {
		for i := range dialects {
			c := &dialects[i]
			body := request(t, c, &f)
			if body == nil {
				continue
			}
			t.Run(f.title+"/"+string(c.api), func(t *testing.T) { f.isRead(t, c, body) })
			for _, b := range backends() {
				if !native(c, b) {
					t.Run(f.title+"/"+string(c.api)+"/"+b.provider, func(t *testing.T) { translated(t, c, b, body) })
				}
			}
		}
	}
}

// request is what c's client sends to say f, nil when it cannot.
func request(t testing.TB, c *dialect, f *feature) []byte {
	t.Helper()
	words, ok := f.words[string(c.api)]
	if !ok {
		return nil
	}
	return merged(t, bases(t, "requests")[string(c.api)], words)
}

// isRead holds what c's codec reads to what the request says, and to what it says beyond the one without the feature.
func (f *feature) isRead(t *testing.T, c *dialect, body []byte) {
	got, plain := mustRead(t, c, body), mustRead(t, c, bases(t, "requests")[string(c.api)])
	want := facets{}
	if err := json.Unmarshal(f.says, &want); err != nil {
		t.Fatal(err)
	}
	for k, v := range want {
		if got[k] == nil || !same(k, v, got[k]) {
			t.Errorf("%s (-want +got):\n%s", k, cmp.Diff(v, got[k]))
		}
	}
	if cmp.Equal(got, plain) {
		t.Errorf("the neutral form does not tell it:\n%s\n%v", body, got)
	}
}

func mustRead(t testing.TB, d *dialect, body []byte) facets {
	t.Helper()
	r, err := d.parse(body)
	if err != nil {
		t.Fatalf("%s does not take %s: %v", d.api, body, err)
	}
	f, err := facetsOf(r)
	if err != nil {
		t.Fatalf("%s does not take %s: %v", d.api, body, err)
	}
	return f
}

// translated says what becomes of c's request for b's provider. Whatever is not carried is named; the rest is told as it was
// asked for, in a request that the provider takes.
func translated(t testing.TB, c, b *dialect, body []byte) outcome {
	t.Helper()
	asked := mustRead(t, c, body)
	built, loss, err := build(t, c, b, body, llm.Loss{})
	if err == nil {
		b.takes(t, built)
		complain(t, built, asked.lacks(b.told(t, built, asked), left(t, c, body, loss.Dropped), b.adds))
		if len(loss.Dropped) > 0 {
			return outcome{lossy, loss.Dropped}
		}
		return outcome{mark: carried}
	}
	var e *llm.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Param == "" {
		t.Fatalf("%v, want an error of status 400 that names a field", err)
	}
	if !names(decode(t, body), strings.Split(e.Param, ".")) {
		t.Errorf("%q is refused, which is not in the client's request %s", e.Param, body)
	}
	built, loss, err = build(t, c, b, body, llm.Loss{Allow: true})
	if err != nil {
		t.Fatalf("with lossy: allow: %v", err)
	}
	if !slices.Contains(loss.Dropped, e.Param) {
		t.Errorf("%q is refused, but with lossy: allow %q are dropped", e.Param, loss.Dropped)
	}
	b.takes(t, built)
	complain(t, built, asked.lacks(b.told(t, built, asked), left(t, c, body, loss.Dropped), b.adds))
	return outcome{refused, loss.Dropped}
}

// told is what built tells b's provider, in asked's words where they come to the same.
func (d *dialect) told(t testing.TB, built []byte, asked facets) facets {
	t.Helper()
	f := mustRead(t, d, built)
	const thinking, effort, display = string(llm.FieldThinking), string(llm.FieldEffort), string(llm.FieldShowThinking)
	const budget, tier = string(llm.FieldThinkingBudget), string(llm.FieldServiceTier)
	const tools, server, choice = string(llm.FieldTools), string(llm.FieldServerTools), string(llm.FieldToolChoice)
	if d.on != "" && asked[thinking] == "on" && asked[effort] == nil && f[effort] == d.on {
		delete(f, effort)
		f[thinking] = "on"
	}
	if d.on != "" && asked[effort] == d.on && f[effort] == nil && f[thinking] == "on" && f[budget] == nil {
		f[effort] = d.on
		if asked[thinking] == nil {
			delete(f, thinking)
		}
	}
	if d.levels && asked[thinking] == "on" && f[thinking] == nil && f[effort] != nil {
		f[thinking] = "on"
	}
	if d.shows && asked[display] == true {
		f[display] = true
	}
	if asked[choice] == "none" && f[choice] == nil && f[tools] == nil && f[server] == nil { // none is offered that could be called
		f[choice] = "none"
	}
	if extra, _ := f[facetExtra].([]any); asked[tier] != nil && len(extra) == 1 && extra[0] == "serviceTier" {
		// Bedrock's own, for its clients: each provider prices its tiers.
		delete(f, facetExtra)
		f[tier] = decode(t, built).(map[string]any)["serviceTier"].(map[string]any)["type"]
	}
	if list, _ := f[tools].([]any); f[choice] == "required" && len(list) == 1 {
		if one := fmt.Sprint("tool ", list[0].(map[string]any)["name"]); one == asked[choice] { // there is no other
			f[choice] = one
		}
	}
	return f
}

func complain(t testing.TB, built []byte, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Errorf("%s\nin %s", p, built)
	}
}

func build(t testing.TB, c, b *dialect, body []byte, loss llm.Loss) ([]byte, *llm.Loss, error) {
	t.Helper()
	r, err := c.parse(body)
	if err != nil {
		t.Fatal(err)
	}
	api, built, err := b.out.BuildRequest(r, model, &loss)
	if err == nil && api != b.api {
		t.Errorf("a request for %s was built, want %s", api, b.api)
	}
	return built, &loss, err
}

// left are the facets that dropped names in the words of c's API.
func left(t testing.TB, c *dialect, body []byte, dropped []string) map[string]bool {
	t.Helper()
	r, err := c.parse(body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range fields {
		if slices.Contains(dropped, r.Field(f)) {
			out[string(f)] = true
		}
	}
	if out[string(llm.FieldEffort)] && r.Params.Effort() == "none" { // which is how it turns reasoning off
		out[string(llm.FieldThinking)] = true
	}
	conversation, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	out[facetExtra] = len(conversation.Extra) > 0
	for _, x := range conversation.Extra {
		if !slices.Contains(dropped, x.Field) {
			out[facetExtra] = false
		}
	}
	return out
}

// names reports whether v has what path leads to: members, or objects of a type, with others between them.
func names(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return names(e, path) })
	case map[string]any:
		if s, ok := v["type"].(string); ok && s == path[0] && names(v, path[1:]) {
			return true
		}
		for k, e := range v {
			// What is encrypted as a whole stands in the place of a signature.
			encrypted := (k == "data" || k == "redactedContent") && path[len(path)-1] == "signature"
			if encrypted || k == path[0] && names(e, path[1:]) || names(e, path) {
				return true
			}
		}
	}
	return false
}
