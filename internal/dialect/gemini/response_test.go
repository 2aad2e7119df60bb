package gemini_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/llm"
)

const (
	events = "text/event-stream"
	json   = "application/json; charset=UTF-8"
)

func head(status int, contentType string) *llm.Head {
	return &llm.Head{Status: status, Header: http.Header{"Content-Type": {contentType}}}
}

// read returns the events of a body, deep enough for the tests to keep.
func read(t testing.TB, api llm.API, h *llm.Head, want llm.Want, body string) []llm.Event {
	t.Helper()
	var out []llm.Event
	err := gemini.Dialect{}.NewReader(api, h, want).Read([]byte(body), true, func(ev *llm.Event) error {
		kept := *ev
		kept.Raw = append([]byte(nil), ev.Raw...)
		kept.Choices = append([]llm.Choice(nil), ev.Choices...)
		kept.Parts = append([]llm.Part(nil), ev.Parts...)
		if ev.Usage != nil {
			u := *ev.Usage
			kept.Usage = &u
		}
		if ev.Err != nil {
			e := *ev.Err
			kept.Err = &e
		}
		out = append(out, kept)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fold(evs []llm.Event) *llm.Result {
	res := new(llm.Result)
	for i := range evs {
		res.Add(&evs[i])
		res.Content(&evs[i])
	}
	return res
}

func TestFinishReasons(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"by name", `{"candidates":[{"finishReason":"STOP"}]}`, []string{"STOP"}},
		{"by number", `{"candidates":[{"finishReason":10}]}`, []string{"MALFORMED_FUNCTION_CALL"}},
		{"by number on Vertex AI", `{"candidates":[{"finishReason":10}],"createTime":"2025-01-01T00:00:00Z"}`, []string{"MODEL_ARMOR"}},
		{"by number on Vertex AI, told by usage", `{"candidates":[{"finishReason":7}],"usageMetadata":{"trafficType":1}}`, []string{"PROHIBITED_CONTENT"}},
		{"number without a name", `{"candidates":[{"finishReason":99},{"index":1,"finishReason":-1}]}`, []string{"99", "-1"}},
		{"index out of order", `{"candidates":[{"index":1,"finishReason":"SAFETY"},{"finishReason":"STOP"}]}`, []string{"STOP", "SAFETY"}},
		{"no index at all", `{"candidates":[{"finishReason":"STOP"},{"finishReason":"OTHER"}]}`, []string{"STOP", "OTHER"}},
		{"unfinished", `{"candidates":[{"finishReason":"STOP"},{"index":1}]}`, []string{"STOP", "error"}},
		{"null", `{"candidates":[{"finishReason":null}]}`, nil},
		{"null in a stream", `[{"candidates":[{"finishReason":null}]}]`, []string{"error"}},
		{"blocked prompt", `{"promptFeedback":{"blockReason":"SAFETY"}}`, nil},
		{"wild index", `{"candidates":[{"index":-5,"finishReason":"STOP"},{"index":1e9,"finishReason":"STOP"}]}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			evs := read(t, llm.GeminiGenerate, head(200, json), llm.WantParts, tt.body)
			res := fold(evs)
			if d := cmp.Diff(tt.want, res.FinishReasons()); d != "" {
				t.Error(d)
			}
			if !res.Last {
				t.Error("a whole response is not its own end")
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		body string
		want *llm.Usage
	}{
		{`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":5,"cachedContentTokenCount":1,"toolUsePromptTokenCount":9}}`,
			&llm.Usage{Input: llm.Some[int64](3), Output: llm.Some[int64](7), Reasoning: llm.Some[int64](5), CacheRead: llm.Some[int64](1)}},
		{`{"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}`, &llm.Usage{Input: llm.Some[int64](3)}},
		{`{"usageMetadata":{"thoughtsTokenCount":5}}`, &llm.Usage{Output: llm.Some[int64](5), Reasoning: llm.Some[int64](5)}},
		{`{"usageMetadata":{"trafficType":"ON_DEMAND"}}`, nil},
		{`{"usageMetadata":null}`, nil},
		{`{}`, nil},
	} {
		evs := read(t, llm.GeminiGenerate, head(200, json), llm.WantMeta, tt.body)
		if d := cmp.Diff(tt.want, evs[0].Usage); d != "" {
			t.Errorf("%s: %s", tt.body, d)
		}
	}
}

// TestStreamEnd checks what is taken for the end of a stream, in both framings.
func TestStreamEnd(t *testing.T) {
	going := `{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`
	done := `{"candidates":[{"finishReason":"STOP"}]}`
	second := `{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]}}]}`
	for _, tt := range []struct {
		name     string
		messages []string
		want     bool
	}{
		{"cut", []string{going}, false},
		{"finished", []string{going, done}, true},
		{"one of two", []string{going, second, done}, false},
		{"blocked", []string{`{"promptFeedback":{"blockReason":1}}`}, true},
		{"error", []string{going, `{"error":{"code":503,"status":"UNAVAILABLE"}}`}, true},
		{"no JSON", []string{going, `{"candidates":`}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sse := "data: " + strings.Join(tt.messages, "\r\n\r\ndata: ") + "\r\n\r\n"
			if got := fold(read(t, llm.GeminiGenerate, head(200, events), llm.WantMeta, sse)).Last; got != tt.want {
				t.Errorf("events: end %v, want %v", got, tt.want)
			}
			array := "[" + strings.Join(tt.messages, ",\r\n")
			if got := fold(read(t, llm.GeminiGenerate, head(200, json), llm.WantMeta, array)).Last; got != tt.want {
				t.Errorf("array: end %v, want %v", got, tt.want)
			}
		})
	}
	if !fold(read(t, llm.GeminiGenerate, head(200, json), llm.WantMeta, "["+going+"\n]")).Last {
		t.Error("an array's closing bracket is not its end")
	}
}

func TestErrors(t *testing.T) {
	object := `{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}`
	want := llm.Error{Status: 429, Type: "RESOURCE_EXHAUSTED", Message: "slow"}
	inStream := want
	inStream.Status = 0
	for _, tt := range []struct {
		name string
		head *llm.Head
		body string
		want llm.Error
	}{
		{"object", head(429, json), object, want},
		{"array", head(429, json), "[" + object + "\n]\n", want},
		{"in an event stream", head(200, events), "data: " + object + "\n\n", inStream},
		{"in an array", head(200, json), "[{},\r\n" + object + "]", inStream},
		{"without a status", head(400, json), `{"error":{"code":400,"message":"m"}}`, llm.Error{Status: 400, Type: "400", Message: "m"}},
		{"text", head(500, json), `{"error":"broken"}`, llm.Error{Status: 500, Message: "broken"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := fold(read(t, llm.GeminiGenerate, tt.head, llm.WantMeta, tt.body)).Err
			if got == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(tt.want, *got); d != "" {
				t.Error(d)
			}
		})
	}
	if res := fold(read(t, llm.GeminiGenerate, head(502, "text/html"), llm.WantMeta, "<html>")); res.Err != nil || res.Last {
		t.Errorf("a body that is no JSON says %v, end %v", res.Err, res.Last)
	}
}

func TestParts(t *testing.T) {
	frames := []string{
		`{"candidates":[{"content":{"parts":[{"text":"a ","thought":true}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"text":"thought","thought":true},{"text":"an "}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"text":"answer","thoughtSignature":"c2ln"}]}},{"index":1,"content":{"parts":[{"text":"other"}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"id":"2","name":"f"}}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","args":{}}}]}}]}`,
		`{"candidates":[{"content":{"parts":{"inlineData":{"mimeType":"image/png","data":"QQ=="}}}}]}`,
		`{"candidates":[{"content":{"parts":[{"executableCode":{"id":"x","code":"1"}},{"codeExecutionResult":{"id":"x","output":"1"}},{"text":"end"}]}}]}`,
	}
	var got []llm.Part
	for _, ev := range read(t, llm.GeminiGenerate, head(200, events), llm.WantParts, "data: "+strings.Join(frames, "\n\ndata: ")) {
		got = append(got, ev.Parts...)
	}
	want := []llm.Part{
		{Kind: llm.PartReasoning, Text: "a "},
		{Kind: llm.PartReasoning, Text: "thought"},
		{Index: 1, Text: "an "},
		{Index: 1, Text: "answer"},
		{Kind: llm.PartReasoning, Index: 2, Signature: "c2ln"},
		{Choice: 1, Text: "other"},
		{Kind: llm.PartToolCall, Index: 3, Name: "f", Text: `{"a":1}`},
		{Kind: llm.PartToolCall, Index: 4, ID: "2", Name: "f"},
		{Kind: llm.PartToolCall, Index: 5, Name: "g", Text: `{}`},
		{Kind: llm.PartBlob, Index: 6, MIME: "image/png", Data: "QQ=="},
		{Kind: llm.PartServerTool, Index: 7, ID: "x", Name: "executableCode", Text: `{"id":"x","code":"1"}`},
		{Kind: llm.PartServerTool, Index: 8, ID: "x", Name: "codeExecutionResult", Text: `{"id":"x","output":"1"}`},
		{Index: 9, Text: "end"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDimensions(t *testing.T) {
	for body, want := range map[string]int{
		`{"embedding":{"values":[1,2,3]}}`:                   3,
		`{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}`: 2,
		`{"embeddings":[]}`:                                  0,
		`{"embedding":{}}`:                                   0,
		`{"embedding":null}`:                                 0,
	} {
		if got := fold(read(t, llm.GeminiEmbed, head(200, json), llm.WantMeta, body)).Dimensions; got != want {
			t.Errorf("%s: %d dimensions, want %d", body, got, want)
		}
	}
}

// TestMetaAllocations holds the promise that reading a stream without its content costs nothing per event.
func TestMetaAllocations(t *testing.T) {
	h := head(200, events)
	stream := []byte(strings.Repeat(chunk, 100))
	var reader llm.Reader
	emit := func(*llm.Event) error { return nil }
	reader = gemini.Dialect{}.NewReader(llm.GeminiGenerate, h, llm.WantMeta)
	if err := reader.Read(stream, false, emit); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		if err := reader.Read(stream, false, emit); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%s allocations for 100 events", strconv.FormatFloat(n, 'f', -1, 64))
	}
}

const chunk = `data: {"candidates": [{"content": {"parts": [{"text": "The temperature in Paris"}],"role": "model"}}],"usageMetadata": {"promptTokenCount": 169,"totalTokenCount": 169,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 169}]},"modelVersion": "gemini-2.0-flash","responseId": "11peaI_ZJLq3nvgP0vasuQk"}` + "\r\n\r\n"
