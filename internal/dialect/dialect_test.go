package dialect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

func TestTexts(t *testing.T) {
	body := []byte(`{"b":"x","a":"y","n":1}`)
	x := dialect.Texts{Body: body, Edit: func(_ llm.Role, s string) (string, bool) { return s + s, s != "z" }}
	for _, name := range []string{"a", "b", "n"} { // in any order
		x.Offer(llm.RoleUser, jsonscan.Get(body, name))
	}
	if got, want := string(x.Result()), `{"b":"xx","a":"yy","n":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	same := dialect.Texts{Body: body}
	if got := same.Result(); &got[0] != &body[0] {
		t.Error("without an edit the result is a copy")
	}
}

func TestTextsArguments(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":"x","b":["y",{"c":"z"},1,null]}`:     `{"a":"xx","b":["yy",{"c":"zz"},1,null]}`,
		`"{\"a\": \"x\",\"b\":[\"\\u0079\",1.0]}"`: `"{\"a\": \"xx\",\"b\":[\"yy\",1.0]}"`,
		`"{\"a\":"`:   `"{\"a\":{\"a\":"`,
		`"x"`:         `"xx"`,
		`"\"x\""`:     `"\"x\"\"x\""`,
		`"{\"n\":1}"`: `"{\"n\":1}"`,
		`7`:           `7`,
		`"[ ]"`:       `"[ ]"`,
	} {
		body := []byte(`{"args":` + in + `}`)
		x := dialect.Texts{Body: body, Edit: func(_ llm.Role, s string) (string, bool) { return s + s, true }}
		x.Arguments(llm.RoleAssistant, jsonscan.Get(body, "args"))
		if got, want := string(x.Result()), `{"args":`+want+`}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTextsFound(t *testing.T) {
	for in, want := range map[string]string{
		`"x"`: `"xx"`,
		`[{"type":"t","title":"x","url":"u","file_id":"f","encrypted_content":"e","source":{"title":["y"],"uri":"u"}},1]`: `[{"type":"t","title":"xx","url":"u","file_id":"f","encrypted_content":"e","source":{"title":["yy"],"uri":"u"}},1]`,
		`{"data":"x","source":{"type":"base64","data":"b"}}`:                                                              `{"data":"xx","source":{"type":"base64","data":"b"}}`,
	} {
		x := dialect.Texts{Body: []byte(in), Edit: func(_ llm.Role, s string) (string, bool) { return s + s, true }}
		x.Found(llm.RoleTool, x.Body)
		if got := string(x.Result()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCalls(t *testing.T) {
	var c dialect.Calls
	for _, p := range []llm.Part{
		{Index: 0, ID: "1", Name: "f", Text: `{`},
		{Choice: 1, Name: "h"},
		{Index: 1, Name: "g"},
		{Index: 0, Text: `}`},
		{Index: 1, ID: "2", Name: "ignored", Text: `{"a":1}`},
	} {
		if err := c.Add(&p); err != nil {
			t.Fatal(err)
		}
	}
	want := []llm.Part{{ID: "1", Name: "f", Text: "{}"}, {Index: 1, ID: "2", Name: "g", Text: `{"a":1}`}}
	if d := cmp.Diff(want, c.Take(0)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]llm.Part{{Choice: 1, Name: "h"}}, c.Take(1)); d != "" {
		t.Error(d)
	}
	if got := c.Take(1); got != nil {
		t.Errorf("taken twice: %v", got)
	}
	if err := c.Add(&llm.Part{Text: strings.Repeat("x", llm.MaxBody)}); err != nil {
		t.Errorf("at the bound, with nothing held: %v", err)
	}
	var e *llm.Error
	if err := c.Add(&llm.Part{Text: "x"}); !errors.As(err, &e) || e.Status != 502 {
		t.Errorf("past the bound: %v, want 502", err)
	}
}

func TestArguments(t *testing.T) {
	for text, want := range map[string]string{
		"": "{}", " ": "{}", ` {"a": [1]} `: `{"a": [1]}`, "[]": "", "1": "", `{"a":`: "", `{} x`: "",
	} {
		got, err := dialect.Arguments(&llm.Part{Text: text}, 400)
		var e *llm.Error
		if string(got) != want || (want == "") != (errors.As(err, &e) && e.Status == 400) {
			t.Errorf("%q: %s, %v, want %q", text, got, err, want)
		}
	}
}

// TestJSONFraming reads a body as what it turns out to be.
func TestJSONFraming(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", 2*llm.MaxFrame) + `"}`
	for _, tt := range []struct {
		body string
		want []string
	}{
		{` {"a":1} `, []string{` {"a":1} `}},
		{"[{\"a\":1}\r\n,{}\n]\n", []string{`{"a":1}`, `{}`, "", ""}},
		{large, []string{large}},
		{`{"a":`, []string{`{"a":`}},
		{"", nil},
	} {
		var got []string
		r := dialect.NewReader(llm.Gemini, dialect.JSON, decodeFunc(func(f *frame.Frame, _ *llm.Event) { got = append(got, string(f.Data)) }))
		if err := r.Read([]byte(tt.body), true, func(*llm.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%.20q: %s", tt.body, d)
		}
		if r.Truncated() {
			t.Errorf("%.20q is truncated", tt.body)
		}
	}
}

type decodeFunc func(f *frame.Frame, ev *llm.Event)

func (d decodeFunc) Decode(f *frame.Frame, ev *llm.Event) { d(f, ev) }

// TestUnreadChunks counts bytes that are not read once, however they come: a corrupt event stream, and a frame over the bound.
func TestUnreadChunks(t *testing.T) {
	whole := frame.AppendMessage(nil, frame.AppendHeader(nil, ":event-type", "messageStart"), []byte("{}"))
	for _, tt := range []struct {
		name    string
		framing dialect.Framing
		body    string
		step    int
	}{
		{"corrupt", dialect.EventStream, string(whole) + "no message at all", 1},
		{"too long", dialect.NDJSON, "{}\n" + strings.Repeat("x", llm.MaxFrame+9), 1000},
	} {
		for _, step := range []int{tt.step, len(tt.body)} {
			r, result := dialect.NewReader(llm.Bedrock, tt.framing, decodeFunc(func(*frame.Frame, *llm.Event) {})), llm.Result{}
			for rest := []byte(tt.body); len(rest) > 0; {
				n := min(step, len(rest))
				if err := r.Read(rest[:n], n == len(rest), func(ev *llm.Event) error { result.Add(ev); return nil }); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if result.Chunks != 2 {
				t.Errorf("%s in pieces of %d: %d chunks, want 2", tt.name, step, result.Chunks)
			}
		}
	}
}
