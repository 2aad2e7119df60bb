package matrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/dialect/bedrock"
	"github.com/spanway/spanway/internal/dialect/cohere"
	"github.com/spanway/spanway/internal/dialect/gemini"
	"github.com/spanway/spanway/internal/dialect/mistral"
	"github.com/spanway/spanway/internal/dialect/ollama"
	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// embedder is an API for embeddings.
type embedder struct {
	title string
	in    llm.Inbound
	out   llm.Outbound
	// paths are where requests of its APIs go.
	paths map[llm.API]string
	model string
	// asked are the client's requests, by feature; nil = the API is only a provider's.
	asked map[string]string
}

// embedding are the features of requests for embeddings, in the order of the table.
var embedding = []string{"One text", "Several texts", "Dimensions", "Numbers as base64", "What they are for", "An image", "Tokens", "Member that nobody knows"}

var embedders = []embedder{
	{title: "OpenAI", in: openai.Dialect{}, out: openai.Dialect{}, model: "m", paths: map[llm.API]string{llm.OpenAIEmbeddings: "/v1/embeddings"}, asked: map[string]string{
		"One text":                 `{"model":"m","input":"sea"}`,
		"Several texts":            `{"model":"m","input":["sea","land"]}`,
		"Dimensions":               `{"model":"m","input":"sea","dimensions":256}`,
		"Numbers as base64":        `{"model":"m","input":"sea","encoding_format":"base64"}`,
		"Tokens":                   `{"model":"m","input":[1,2,3]}`,
		"Member that nobody knows": `{"model":"m","input":"sea","x_new":1}`,
	}},
	{title: "Gemini", in: gemini.Dialect{}, out: gemini.Dialect{}, model: "m",
		paths: map[llm.API]string{llm.GeminiEmbed: "/v1beta/models/m:embedContent", llm.GeminiBatchEmbed: "/v1beta/models/m:batchEmbedContents"}, asked: map[string]string{
			"One text":                 `{"content":{"parts":[{"text":"sea"}]}}`,
			"Several texts":            `{"requests":[{"model":"models/m","content":{"parts":[{"text":"sea"}]}},{"model":"models/m","content":{"parts":[{"text":"land"}]}}]}`,
			"Dimensions":               `{"content":{"parts":[{"text":"sea"}]},"outputDimensionality":256}`,
			"What they are for":        `{"content":{"parts":[{"text":"sea"}]},"taskType":"RETRIEVAL_QUERY"}`,
			"An image":                 `{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}}`,
			"Member that nobody knows": `{"content":{"parts":[{"text":"sea"}]},"xNew":1}`,
		}},
	{title: "Cohere", in: cohere.Dialect{}, out: cohere.Dialect{}, model: "m", paths: map[llm.API]string{llm.CohereEmbed: "/v2/embed"}, asked: map[string]string{
		"One text":                 `{"model":"m","texts":["sea"],"embedding_types":["float"]}`,
		"Several texts":            `{"model":"m","texts":["sea","land"],"embedding_types":["float"]}`,
		"Dimensions":               `{"model":"m","texts":["sea"],"output_dimension":256,"embedding_types":["float"]}`,
		"What they are for":        `{"model":"m","texts":["sea"],"input_type":"search_query","embedding_types":["float"]}`,
		"An image":                 `{"model":"m","inputs":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}],"embedding_types":["float"]}`,
		"Member that nobody knows": `{"model":"m","texts":["sea"],"embedding_types":["float"],"x_new":1}`,
	}},
	{title: "Ollama", in: ollama.Dialect{}, out: ollama.Dialect{}, model: "m", paths: map[llm.API]string{llm.OllamaEmbed: "/api/embed"}, asked: map[string]string{
		"One text":                 `{"model":"m","input":"sea"}`,
		"Several texts":            `{"model":"m","input":["sea","land"]}`,
		"Dimensions":               `{"model":"m","input":"sea","dimensions":256}`,
		"Member that nobody knows": `{"model":"m","input":"sea","x_new":1}`,
	}},
	{title: "Mistral", in: mistral.Dialect{}, out: mistral.Dialect{}, model: "m", paths: map[llm.API]string{llm.MistralEmbed: "/v1/embeddings"}, asked: map[string]string{
		"One text":      `{"model":"m","input":"sea"}`,
		"Several texts": `{"model":"m","input":["sea","land"]}`,
		"Dimensions":    `{"model":"m","input":"sea","output_dimension":256}`,
	}},
	{title: "Bedrock Titan", in: bedrock.Dialect{}, out: bedrock.Dialect{}, model: "amazon.titan-embed-text-v2:0",
		paths: map[llm.API]string{llm.BedrockInvoke: "/model/amazon.titan-embed-text-v2:0/invoke"}},
	{title: "Bedrock Titan, multimodal", in: bedrock.Dialect{}, out: bedrock.Dialect{}, model: "amazon.titan-embed-image-v1",
		paths: map[llm.API]string{llm.BedrockInvoke: "/model/amazon.titan-embed-image-v1/invoke"}},
}

// embedded is what a request for embeddings says.
type embedded struct {
	Inputs     [][]llm.Part
	Dimensions llm.Opt[int64]
	InputType  string
}

func (e *embedder) parse(t testing.TB, api llm.API, body []byte) (*llm.Request, embedded) {
	t.Helper()
	path := e.paths[api]
	if strings.Contains(string(body), `"requests"`) {
		path = e.paths[llm.GeminiBatchEmbed]
	}
	if got, ok := e.in.Accepts("POST", path); ok {
		api = got
	}
	r, err := e.in.ParseRequest(api, &llm.Head{Method: "POST", Path: path}, body)
	if err != nil {
		t.Fatalf("%s: %v\n%s", e.title, err, body)
	}
	c, err := r.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	said := embedded{c.Inputs, r.Params.Dimensions, c.InputType}
	for _, parts := range said.Inputs {
		for i := range parts {
			parts[i].MIME = "" // some APIs know of images alone
		}
	}
	return r, said
}

// first is the API of e's clients.
func (e *embedder) first() llm.API {
	for api := range e.paths {
		if api != llm.GeminiBatchEmbed {
			return api
		}
	}
	return ""
}

// embeds is what becomes of a feature on its way from c's client to b's provider.
func embeds(t testing.TB, c, b *embedder, feature string) outcome {
	t.Helper()
	body := c.asked[feature]
	switch {
	case body == "":
		return outcome{}
	case c.in.Dialect() == b.in.Dialect():
		return outcome{mark: verbatim}
	}
	r, asked := c.parse(t, c.first(), []byte(body))
	api, built, err := b.out.BuildRequest(r, b.model, new(llm.Loss))
	if err == nil {
		_, told := b.parse(t, api, built)
		if asked.InputType == "" {
			told.InputType = "" // Cohere demands one
		}
		if d := cmp.Diff(asked, told); d != "" {
			t.Errorf("%s, from %s to %s (-asked +told):\n%s", feature, c.title, b.title, d)
		}
		return outcome{mark: carried}
	}
	var e *llm.Error
	if !errors.As(err, &e) || e.Status != 400 || e.Param == "" {
		t.Fatalf("%s, from %s to %s: %v", feature, c.title, b.title, err)
	}
	// What is embedded is never dropped, the rest is where losses are allowed.
	r, _ = c.parse(t, c.first(), []byte(body))
	loss := llm.Loss{Allow: true}
	_, _, err = b.out.BuildRequest(r, b.model, &loss)
	if input := e.Param == r.Field(llm.FieldInput); input != (err != nil) || !input && !slices.Contains(loss.Dropped, e.Param) {
		t.Errorf("%s, from %s to %s, losses allowed: %v, dropped %v, want %s", feature, c.title, b.title, err, loss.Dropped, e.Param)
	}
	return outcome{mark: refused, names: []string{e.Param}}
}

// TestEmbeddings translates each feature of requests for embeddings from each client's API to each provider's.
func TestEmbeddings(t *testing.T) { embeddingsPage(t) }

// embeddingsPage is the tables of embeddings.
func embeddingsPage(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n## Embeddings\n\nInputs are embedded whole or not at all, also where losses are allowed. Cohere demands to know what embeddings are for: " +
		"it is told search_document by\nclients that do not say. Vectors reach clients number for number, or in base64 where an OpenAI client asks for that.\n")
	for i := range embedders {
		c := &embedders[i]
		if c.asked == nil {
			continue
		}
		fmt.Fprintf(&b, "\n%s clients\n\n| | field |", c.title)
		rule := "|---|---|"
		for j := range embedders {
			fmt.Fprintf(&b, " %s |", embedders[j].title)
			rule += ":-:|"
		}
		b.WriteString("\n" + rule + "\n")
		for _, feature := range embedding {
			if c.asked[feature] == "" {
				continue
			}
			var cells, fields []string
			for j := range embedders {
				o := embeds(t, c, &embedders[j], feature)
				cells = append(cells, o.mark.String())
				for _, name := range o.names {
					if s := "`" + name + "`"; !slices.Contains(fields, s) {
						fields = append(fields, s)
					}
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", feature, strings.Join(fields, ", "), strings.Join(cells, " | "))
		}
	}
	return b.String()
}
