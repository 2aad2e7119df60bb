package llm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type inputs struct{ Codec }

// Field implements Codec.
func (inputs) Field(f Field) string { return string(f) }

func TestInputTexts(t *testing.T) {
	image := Part{Kind: PartBlob, MIME: "image/png", Data: "aGk="}
	for _, tt := range []struct {
		name string
		c    Conversation
		want []string
	}{
		{"texts", Conversation{Inputs: [][]Part{{{Text: "a"}}, {{Text: ""}}}}, []string{"a", ""}},
		{"nothing", Conversation{}, nil},
		{"an image", Conversation{Inputs: [][]Part{{{Text: "a"}}, {image}}}, nil},
		{"two parts", Conversation{Inputs: [][]Part{{{Text: "a"}, {Text: "b"}}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewRequest(OpenAIEmbeddings, OpenAI, OpEmbeddings, nil, inputs{})
			got, err := r.InputTexts(&tt.c, "It")
			var e *Error
			if d := cmp.Diff(tt.want, got); d != "" || (tt.want == nil) != (errors.As(err, &e) && e.Status == 400 && e.Param == "input") {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

// Tokens beside texts are refused whatever is allowed: a vector would be missing.
func TestCheckInputs(t *testing.T) {
	r := NewRequest(OpenAIEmbeddings, OpenAI, OpEmbeddings, nil, inputs{})
	loss := Loss{Allow: true}
	if err := loss.Check(r, &Conversation{Extra: []Extra{{Field: "x"}}}, "It"); err != nil || len(loss.Dropped) != 1 {
		t.Errorf("another member: %v, dropped %v", err, loss.Dropped)
	}
	if err := loss.Check(r, &Conversation{Extra: []Extra{{Field: "input"}}}, "It"); err == nil {
		t.Error("tokens are dropped")
	}
}
