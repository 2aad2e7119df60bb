package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// lines is a body whose every line is one text.
type lines struct{ fail error }

func (c lines) Conversation([]byte) (*llm.Conversation, error) {
	return nil, errors.New("not asked for")
}

func (lines) Enrich(body []byte, _, _ []llm.Turn) ([]byte, error) { return body, nil }
func (lines) Field(f llm.Field) string                            { return string(f) }

func (c lines) EditText(body []byte, edit llm.TextEdit) ([]byte, error) {
	var out []string
	for _, line := range strings.Split(string(body), "\n") {
		s, _ := edit(llm.RoleUser, line)
		out = append(out, s)
	}
	return []byte(strings.Join(out, "\n")), c.fail
}

func call(body string) *llm.Call {
	return &llm.Call{Request: llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, []byte(body), lines{})}
}

var ignoreTime = cmpopts.IgnoreFields(Hit{}, "Time")

func TestCheck(t *testing.T) {
	regex := &ir.RegexGuard{Builtins: []string{"EMAIL", "SSN"}, Patterns: []ir.Pattern{{Name: "WORD", Regex: "(?i)secret"}}}
	for _, tt := range []struct {
		name, action, in, want string
		rep                    Report
		refused                bool
	}{
		{"nothing to find", "mask", "hello\nworld", "hello\nworld",
			Report{Ran: true, Kind: "regex", Action: "mask", Result: "passed"}, false},
		{"mask", "mask", "Secret of a@b.com\nhello\n536-22-8123 536-22-8124", "<WORD> of <EMAIL_ADDRESS>\nhello\n<US_SSN> <US_SSN>",
			Report{Ran: true, Kind: "regex", Action: "mask", Result: "masked", Rule: "EMAIL,SSN,WORD", Hits: []Hit{{Rule: "WORD,EMAIL"}, {Rule: "SSN"}}}, false},
		{"reject", "reject", "hello\nsecret", "hello\nsecret",
			Report{Ran: true, Kind: "regex", Action: "reject", Result: "rejected", Rule: "WORD", Hits: []Hit{{Rule: "WORD"}}}, true},
		{"nothing to reject", "reject", "hello", "hello", Report{Ran: true, Kind: "regex", Action: "reject", Result: "passed"}, false},
		{"not checked", "", "secret", "secret", Report{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := guard(t, ir.Guard{Name: "pii", Request: tt.action, Response: "mask", Regex: regex, Reject: ir.Rejection{Status: 418, Message: "no tea"}})
			if g.Name() != "pii" || g.Blocking() {
				t.Errorf("name %q, blocking %v", g.Name(), g.Blocking())
			}
			c, rep := call(tt.in), Report{}
			watch, err := g.Check(t.Context(), c, &rep, new(Report))
			var e *llm.Error
			if errors.As(err, &e) != tt.refused || tt.refused && (e.Status != 418 || e.Type != Rejected || e.Message != "no tea") {
				t.Errorf("error %v, want a refusal: %v", err, tt.refused)
			}
			if (watch == nil) != tt.refused {
				t.Errorf("watch %v of a call refused %v", watch, tt.refused)
			}
			if got := string(c.Request.Raw); got != tt.want {
				t.Errorf("body %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(tt.rep, rep, ignoreTime); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			for _, h := range rep.Hits {
				if time.Since(h.Time) > time.Minute {
					t.Errorf("a hit at %v", h.Time)
				}
			}
		})
	}
}

func TestCheckOfOtherCalls(t *testing.T) {
	g := guard(t, ir.Guard{Request: "mask", Response: "mask", Regex: builtins("SSN")})
	var rep Report
	if w, err := g.Check(t.Context(), &llm.Call{}, &rep, new(Report)); w != nil || err != nil || rep.Ran {
		t.Errorf("a path that nobody knows: %v, %v, %+v", w, err, rep)
	}
	g = guard(t, ir.Guard{Request: "mask", Regex: builtins("SSN")})
	if w, err := g.Check(t.Context(), call("x"), &rep, new(Report)); w != nil || err != nil {
		t.Errorf("a response that is not checked: %v, %v", w, err)
	}
	broken := errors.New("broken")
	c := &llm.Call{Request: llm.NewRequest(llm.OpenAIChat, llm.OpenAI, llm.OpChat, []byte("x"), lines{fail: broken})}
	if w, err := g.Check(t.Context(), c, &rep, new(Report)); w != nil || !errors.Is(err, broken) {
		t.Errorf("a body that cannot be read: %v, %v", w, err)
	}
}

func TestHitsAreBounded(t *testing.T) {
	g := guard(t, ir.Guard{Request: "mask", Regex: patterns("x")})
	var rep Report
	if _, err := g.Check(t.Context(), call(strings.Repeat("x\n", 3*MaxHits)), &rep, new(Report)); err != nil || len(rep.Hits) != MaxHits {
		t.Errorf("%d hits, error %v", len(rep.Hits), err)
	}
}
