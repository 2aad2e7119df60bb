package cohere

import (
	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// embedCarried are the fields that a request of embed carries.
var embedCarried = []llm.Field{llm.FieldInput, llm.FieldInputType, llm.FieldDimensions}

// buildEmbed translates a request for embeddings. Cohere's models must be told what embeddings are for: search_document when
// the client does not say. base64 is the same numbers, which the client's own dialect writes.
func buildEmbed(r *llm.Request, c *llm.Conversation, model string, loss *llm.Loss) ([]byte, error) {
	if err := loss.Check(r, c, "Cohere's embed", embedCarried...); err != nil {
		return nil, err
	}
	out := embedRequest{
		Model: model, InputType: llm.InputSearchDocument, OutputDimension: dialect.Pointer(r.Params.Dimensions), EmbeddingTypes: []string{"float"},
	}
	switch c.InputType {
	case llm.InputSearchDocument, llm.InputSearchQuery, llm.InputClassification, llm.InputClustering, "image":
		out.InputType = c.InputType
	case "":
	default:
		if err := loss.Field(r, llm.FieldInputType, "Cohere knows search_document, search_query, classification and clustering, not "+c.InputType); err != nil {
			return nil, err
		}
	}
	texts := true
	for _, parts := range c.Inputs {
		in := input{Content: make([]content, 0, len(parts))}
		for i := range parts {
			p := &parts[i]
			url := ""
			if p.Kind == llm.PartBlob || p.Kind == llm.PartURI {
				url = imageOf(p)
			}
			switch {
			case p.Kind == llm.PartText:
				in.Content = append(in.Content, content{Type: "text", Text: &p.Text})
			case url != "":
				in.Content = append(in.Content, content{Type: "image_url", ImageURL: &imageURL{URL: url}})
			default:
				return nil, r.InputRefused("Cohere's models embed texts and images")
			}
		}
		texts = texts && len(in.Content) == 1 && in.Content[0].Text != nil
		out.Inputs = append(out.Inputs, in)
	}
	if texts {
		for _, in := range out.Inputs {
			out.Texts = append(out.Texts, *in.Content[0].Text)
		}
		out.Inputs = nil
	}
	return encode(&out)
}
