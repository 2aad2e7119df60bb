package gateway

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// edit returns the request's body with the model's name replaced, or put in where the client named none, and, where the route asks
// for a stream's usage, with stream_options.include_usage set (OpenAI API reference, chat and completions). Every other byte stays as it
// was.
func (c *Call) edit(r *llm.Request, model string) ([]byte, error) {
	var edits []jsonscan.Edit
	renamed := jsonscan.Edit{At: r.ModelAt}
	usage := c.route.streamUsage && r.Stream && !r.StreamUsage && (r.API == llm.OpenAIChat || r.API == llm.OpenAICompletions)
	options, found := [2]int{}, false
	if usage || r.ModelAt == [2]int{} {
		it := jsonscan.Object(r.Raw)
		for it.Next() {
			switch string(it.Key()) {
			case "model":
				renamed.At = it.At()
			case "stream_options":
				options, found = it.At(), true
			}
		}
		if err := it.Err(); err != nil {
			return nil, llm.Errorf(http.StatusBadRequest, "invalid_request_error", "the request body is not JSON: %v", err)
		}
	}
	if renamed.At != [2]int{} && model != r.Model {
		renamed.With = jsonscan.AppendString(nil, model)
		edits = append(edits, renamed)
	}
	var first []byte // members that are put before the others
	if renamed.At == [2]int{} && r.Model == "" && model != "" && !inPath(r.Dialect) {
		first = append(jsonscan.AppendString([]byte(`"model":`), model), ',')
	}
	if usage && !found {
		first = append(first, `"stream_options":{"include_usage":true},`...)
	} else if usage {
		edits = append(edits, includeUsage(r.Raw, options))
	}
	if first != nil {
		open := bytes.IndexByte(r.Raw, '{') + 1
		if rest := bytes.TrimLeft(r.Raw[open:], " \t\r\n"); rest[0] == '}' {
			first = first[:len(first)-1]
		}
		edits = append(edits, jsonscan.Edit{At: [2]int{open, open}, With: first})
	}
	slices.SortFunc(edits, func(a, b jsonscan.Edit) int { return a.At[0] - b.At[0] })
	return jsonscan.Apply(make([]byte, 0, len(r.Raw)+64), r.Raw, edits), nil
}

// inPath reports whether d's requests have the model in their path, and not in the body.
func inPath(d llm.Dialect) bool { return d == llm.Gemini || d == llm.Bedrock }

// includeUsage sets include_usage in the stream_options that stand at at.
func includeUsage(raw []byte, at [2]int) jsonscan.Edit {
	it := jsonscan.Object(raw[at[0]:at[1]])
	members := 0
	for ; it.Next(); members++ {
		if string(it.Key()) == "include_usage" {
			v := it.At()
			return jsonscan.Edit{At: [2]int{at[0] + v[0], at[0] + v[1]}, With: []byte("true")}
		}
	}
	if members == 0 {
		return jsonscan.Edit{At: at, With: []byte(`{"include_usage":true}`)}
	}
	return jsonscan.Edit{At: [2]int{at[0] + 1, at[0] + 1}, With: []byte(`"include_usage":true,`)}
}
