package policy

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
)

// TestModerationAnswers tells what is flagged from what is no answer.
func TestModerationAnswers(t *testing.T) {
	for _, tt := range []struct {
		reply, categories string
		flagged, ok       bool
	}{
		{`{"results":[{"flagged":false,"categories":{"a":true}}]}`, "", false, true},
		{`{"results":[{"flagged":true,"categories":{"b":true,"c":false}},{"flagged":true,"categories":{"a":true,"b":true}}]}`, "a,b", true, true},
		{`{"results":[{"flagged":true}]}`, "", true, true},
		{`{"results":[]}`, "", false, false},
		{`{"results":[{}]}`, "", false, false},
		{`{"results":[{"flagged":"yes"}]}`, "", false, false},
		{`{"error":{"message":"no"}}`, "", false, false},
		{`no`, "", false, false},
	} {
		flagged, categories, ok := flags([]byte(tt.reply))
		if flagged != tt.flagged || ok != tt.ok || strings.Join(categories, ",") != tt.categories {
			t.Errorf("%s: %v %v %v", tt.reply, flagged, categories, ok)
		}
	}
}

// TestNewModerationGuard refuses what cannot be asked.
func TestNewModerationGuard(t *testing.T) {
	for _, g := range []ir.Guard{
		{Request: "reject", Moderation: &ir.Moderation{URL: "no url"}},
		{Response: "reject", Moderation: &ir.Moderation{URL: "http://m"}},
	} {
		if _, err := NewModerationGuard(g, nil); err == nil {
			t.Errorf("%+v is taken", g.Moderation)
		}
	}
	p, err := NewModerationGuard(ir.Guard{Name: "m", Request: "reject", Moderation: &ir.Moderation{URL: "http://m/v1"}}, nil)
	if err != nil || p.Name() != "m" || !p.Blocking() {
		t.Errorf("%v, %v", p, err)
	}
}
