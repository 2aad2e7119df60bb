package llm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// How tools are to be used says nothing without any, and is lost with the last one that can be carried.
func TestCheckTools(t *testing.T) {
	function, search := Tool{Name: "f"}, Tool{Name: "search", Raw: []byte("{}")}
	one := Some(false)
	for _, tt := range []struct {
		name    string
		c       Conversation
		dropped []string
	}{
		{"a function", Conversation{Tools: []Tool{function}, ToolChoice: "required", ParallelToolCalls: one}, nil},
		{"a function of two tools", Conversation{Tools: []Tool{search, function}, ToolChoice: "required", ParallelToolCalls: one}, []string{"tools.type"}},
		{"no function", Conversation{Tools: []Tool{search}, ToolChoice: "required", ParallelToolCalls: one}, []string{"tools.type", "tool_choice", "parallel_tool_calls"}},
		{"no function to call", Conversation{Tools: []Tool{search}, ToolChoice: "none", ParallelToolCalls: one}, []string{"tools.type"}},
		{"no tool", Conversation{ToolChoice: "required", ParallelToolCalls: one}, []string{"tool_choice"}},
		{"no tool to call", Conversation{ToolChoice: "none", ParallelToolCalls: one}, nil},
	} {
		loss := Loss{Allow: true}
		r := NewRequest(OpenAIChat, OpenAI, OpChat, nil, inputs{})
		if err := loss.Check(r, &tt.c, "It", FieldTools, FieldToolChoice, FieldParallel); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.dropped, loss.Dropped); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestReasoning(t *testing.T) {
	type result struct {
		Thinking, Level string
		Dropped         []string
	}
	for _, tt := range []struct {
		name, level string
		c           Conversation
		want        result
	}{
		{"nothing", "", Conversation{}, result{}},
		{"a level", "HIGH", Conversation{}, result{Level: "high"}},
		{"on, with a level", "low", Conversation{Thinking: "on"}, result{Thinking: "on", Level: "low"}},
		{"on, within a budget", "", Conversation{Thinking: "on", ThinkingBudget: Some[int64](9)}, result{Thinking: "on"}},
		{"none", "none", Conversation{}, result{Thinking: "off"}},
		{"off, and none", "none", Conversation{Thinking: "off"}, result{Thinking: "off"}},
		{"on, and none", "none", Conversation{Thinking: "on"}, result{Thinking: "on", Dropped: []string{"reasoning_effort"}}},
		{"off, with a level", "high", Conversation{Thinking: "off"}, result{Thinking: "off", Dropped: []string{"reasoning_effort"}}},
		{"off, within a budget", "", Conversation{Thinking: "off", ThinkingBudget: Some[int64](9)}, result{Thinking: "off", Dropped: []string{"thinking.budget_tokens"}}},
		{"none, within a budget", "none", Conversation{ThinkingBudget: Some[int64](9)}, result{Thinking: "off", Dropped: []string{"thinking.budget_tokens"}}},
	} {
		loss := Loss{Allow: true}
		r := NewRequest(OpenAIChat, OpenAI, OpChat, nil, inputs{})
		r.Params.ReasoningLevel = tt.level
		thinking, level, err := loss.Reasoning(r, &tt.c)
		if d := cmp.Diff(tt.want, result{thinking, level, loss.Dropped}); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, d)
		}
		if _, _, err := new(Loss).Reasoning(r, &tt.c); (err != nil) != (tt.want.Dropped != nil) {
			t.Errorf("%s: refused with %v", tt.name, err)
		}
	}
}
