package gemini

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// embedding reads one member of an EmbedContentRequest, of a BatchEmbedContentsRequest, or of Vertex AI's EmbedContentConfig.
func (d *reading) embedding(key string, v []byte) {
	c := d.c
	switch key {
	case "content":
		n := len(c.Messages)
		elements(v, func(v []byte) { d.content("content", v) })
		var input []llm.Part
		for _, m := range c.Messages[n:] {
			input = append(input, m.Parts...)
		}
		c.Inputs = append(c.Inputs, input)
	case "requests":
		first := true
		elements(v, func(v []byte) {
			d.request(v, first)
			first = false
		})
	case "taskType", "task_type":
		c.InputType = inputType(jsonscan.String(v))
	case "embedContentConfig", "embed_content_config":
		each(v, func(k string, v []byte) {
			switch k {
			case "taskType", "task_type", "outputDimensionality", "output_dimensionality", "title", "autoTruncate", "auto_truncate":
				d.embedding(k, v)
			default:
				d.extra(key+"."+k, v)
			}
		})
	case "title":
		d.extra(key, v)
	case "autoTruncate", "auto_truncate": // true when it is absent
		if jsonscan.KindOf(v) == jsonscan.False {
			c.Extra = append(c.Extra, llm.Extra{Field: key, Raw: []byte("false")})
		}
	}
}

// request reads one of several EmbedContentRequests. In the neutral form all have one task type and one size: those of the first.
func (d *reading) request(v []byte, first bool) {
	var task string
	var size llm.Opt[int64]
	each(v, func(key string, v []byte) {
		switch key {
		case "taskType", "task_type":
			task = inputType(jsonscan.String(v))
		case "outputDimensionality", "output_dimensionality":
			dialect.SetInt(&size, v)
		case "content":
			d.embedding(key, v)
		case "title":
			d.extra("requests."+key, v)
		case "model":
		default:
			d.extra("requests."+key, v)
		}
	})
	if first {
		d.c.InputType, d.size = task, size
		return
	}
	if task != d.c.InputType {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: "requests.taskType", Raw: jsonscan.AppendString(nil, task)})
	}
	if size != d.size {
		d.c.Extra = append(d.c.Extra, llm.Extra{Field: "requests.outputDimensionality", Raw: strconv.AppendInt(nil, size.V, 10)})
	}
}

// tasks pairs the neutral words for what embeddings are for with TaskType's.
var tasks = [...][2]string{
	{llm.InputSearchQuery, "RETRIEVAL_QUERY"},
	{llm.InputSearchDocument, "RETRIEVAL_DOCUMENT"},
	{llm.InputSimilarity, "SEMANTIC_SIMILARITY"},
	{llm.InputClassification, "CLASSIFICATION"},
	{llm.InputClustering, "CLUSTERING"},
}

// inputType is the neutral word for a TaskType, or the TaskType where there is none.
func inputType(task string) string {
	for _, t := range tasks {
		if t[1] == task {
			return t[0]
		}
	}
	if task == "TASK_TYPE_UNSPECIFIED" {
		return ""
	}
	return task
}

// embeddings translates a request for embeddings: one text is embedContent's, several are batchEmbedContents'.
func (b *builder) embeddings(c *llm.Conversation) (llm.API, []byte, error) {
	can := []llm.Field{llm.FieldInput, llm.FieldInputType, llm.FieldDimensions, llm.FieldImage, llm.FieldDocument, llm.FieldAudio, llm.FieldContent}
	if !slices.ContainsFunc(b.r.Params.EncodingFormats, func(f string) bool { return f != "float" && f != "base64" }) {
		can = append(can, llm.FieldEncoding) // the client's dialect writes the numbers as base64
	}
	if err := b.loss.Check(b.r, c, "Gemini's API for embeddings", can...); err != nil {
		return "", nil, err
	}
	task := ""
	for _, t := range tasks {
		if t[0] == c.InputType {
			task = t[1]
		}
	}
	if c.InputType != "" && task == "" {
		if err := b.loss.Field(b.r, llm.FieldInputType, "Gemini has no task type that is the same"); err != nil {
			return "", nil, err
		}
	}
	var requests []embedRequest
	for i := range c.Inputs {
		parts, err := b.parts(c.Inputs[i], "input")
		if err != nil {
			return "", nil, err
		}
		requests = append(requests, embedRequest{Content: content{Parts: parts}, TaskType: task, Size: dialect.Pointer(b.r.Params.Dimensions)})
	}
	return encodeEmbeddings(b.r, b.model, requests)
}

func encodeEmbeddings(r *llm.Request, model string, requests []embedRequest) (api llm.API, body []byte, err error) {
	switch len(requests) {
	case 0:
		return "", nil, refuse(r.Field(llm.FieldInput), "There is nothing to embed.")
	case 1:
		api = llm.GeminiEmbed
		body, err = json.Marshal(&requests[0])
	default:
		api = llm.GeminiBatchEmbed
		for i := range requests {
			requests[i].Model = "models/" + model
		}
		body, err = json.Marshal(map[string]any{"requests": requests})
	}
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return api, body, nil
}

// OneInput is what Vertex AI takes of a translated request for embeddings: it has embedContent alone (Vertex AI REST reference,
// publishers.models). It implements provider.Endpoint's Adapt, and fails with an *llm.Error of status 400 for several inputs.
func OneInput(r *llm.Request, body []byte, _ string) ([]byte, error) {
	if r.Dialect != llm.Gemini && r.Op == llm.OpEmbeddings && jsonscan.Get(body, "requests") != nil {
		return nil, refuse(r.Field(llm.FieldInput), "Vertex AI embeds one input per request.")
	}
	return body, nil
}

// embedWriter writes EmbedContentResponse, or BatchEmbedContentsResponse for a client that asked for several.
type embedWriter struct {
	batch   bool
	vectors [][]byte
	usage   llm.Usage
	err     *llm.Error
	size    int
}

// ContentType implements llm.Writer.
func (*embedWriter) ContentType() string { return "application/json; charset=UTF-8" }

// Write implements llm.Writer.
func (w *embedWriter) Write(dst []byte, ev *llm.Event) ([]byte, error) {
	for _, v := range ev.Vectors {
		if w.size += len(v); w.size > llm.MaxBody {
			return dst, llm.Errorf(http.StatusBadGateway, "response_too_large", "The provider's embeddings are too large.")
		}
		w.vectors = append(w.vectors, slices.Clone(v))
	}
	if ev.Usage != nil {
		w.usage = *ev.Usage
	}
	if ev.Err != nil {
		w.err = ev.Err
	}
	return dst, nil
}

// Close implements llm.Writer.
func (w *embedWriter) Close(dst []byte, e *llm.Error) ([]byte, error) {
	if e == nil {
		e = w.err
	}
	if e != nil {
		return append(dst, Dialect{}.Error(e)...), nil
	}
	if !w.batch && len(w.vectors) != 1 {
		return dst, llm.Errorf(http.StatusBadGateway, "invalid_response", "The provider answered one input with %d embeddings.", len(w.vectors))
	}
	if dst = append(dst, `{"embedding":`...); w.batch {
		dst = append(dst[:len(dst)-len(`":`)], `s":[`...)
	}
	for i, v := range w.vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"values":`...), v...), '}')
	}
	if w.batch {
		dst = append(dst, ']')
	}
	if w.usage.Input.Set {
		dst = appendUsage(append(dst, ','), &llm.Usage{Input: w.usage.Input})
	}
	return append(dst, '}'), nil
}
