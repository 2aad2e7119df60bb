package llm

import "testing"

func TestChats(t *testing.T) {
	for _, tt := range []struct {
		api  API
		op   Op
		want bool
	}{
		{AnthropicMessages, OpChat, true},
		{GeminiGenerate, OpGenerateContent, true},
		{OpenAIImages, OpGenerateContent, false},
		{OllamaGenerate, OpTextCompletion, false},
		{GeminiEmbed, OpEmbeddings, false},
	} {
		if got := (&Request{API: tt.api, Op: tt.op}).Chats(); got != tt.want {
			t.Errorf("%s chats: %v, want %v", tt.api, got, tt.want)
		}
	}
	if got := (&Params{ReasoningLevel: "HIGH"}).Effort(); got != "high" {
		t.Errorf("effort %q, want high", got)
	}
}
