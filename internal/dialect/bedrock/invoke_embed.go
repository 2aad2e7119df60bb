package bedrock

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/llm"
)

// titanRequest is the body of Titan's embeddings models (user guide, "Amazon Titan Embeddings G1 - Text", "Amazon Titan Text
// Embeddings V2", "Amazon Titan Multimodal Embeddings G1").
type titanRequest struct {
	InputText       string       `json:"inputText,omitempty"`
	InputImage      string       `json:"inputImage,omitempty"` // base64
	Dimensions      int64        `json:"dimensions,omitempty"`
	EmbeddingConfig *titanConfig `json:"embeddingConfig,omitempty"`
}

type titanConfig struct {
	OutputEmbeddingLength int64 `json:"outputEmbeddingLength"`
}

// buildTitan translates r, an embeddings request, for a Titan model, which takes one input a call.
func buildTitan(r *llm.Request, model string, loss *llm.Loss) (llm.API, []byte, error) {
	if strings.Contains(model, "embed") && !strings.Contains(model, "titan") {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented,
			"The model behind this route is not one of Amazon Titan's, the only ones on Bedrock to which embeddings requests can be translated.")
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, err
	}
	images := strings.Contains(model, "titan-embed-image")
	can := []llm.Field{llm.FieldInput, llm.FieldDimensions}
	if images {
		can = append(can, llm.FieldImage)
	}
	if err := loss.Check(r, c, "Amazon Titan's embeddings API", can...); err != nil {
		return "", nil, err
	}
	body, err := titanInput(r, c, images)
	if err != nil {
		return "", nil, err
	}
	switch d := r.Params.Dimensions; {
	case !d.Set:
	case images:
		body.EmbeddingConfig = &titanConfig{d.V}
	case strings.Contains(model, "titan-embed-text-v1"), strings.Contains(model, "titan-embed-g1"):
		if err := loss.Field(r, llm.FieldDimensions, "the first version of Titan's text embeddings has vectors of one length"); err != nil {
			return "", nil, err
		}
	default:
		body.Dimensions = d.V
	}
	b, err := encode(body)
	return llm.BedrockInvoke, b, err
}

// titanInput is the body for the one input of c: a text, and for a multimodal model an image, or both.
func titanInput(r *llm.Request, c *llm.Conversation, images bool) (*titanRequest, error) {
	refuse := func(why string) error { return r.InputRefused("Amazon Titan's embeddings API " + why) }
	if len(c.Inputs) != 1 {
		return nil, refuse("takes one input a call")
	}
	out := &titanRequest{}
	for i := range c.Inputs[0] {
		switch p := &c.Inputs[0][i]; {
		case p.Kind == llm.PartText && out.InputText == "" && p.Text != "":
			out.InputText = p.Text
		case p.Kind == llm.PartBlob && images && out.InputImage == "" && (p.MIME == "" || strings.HasPrefix(p.MIME, "image/")):
			out.InputImage = p.Data
		default:
			return nil, refuse("takes one text that is not empty, and with a multimodal model one image")
		}
	}
	if *out == (titanRequest{}) {
		return nil, refuse("takes one text that is not empty")
	}
	return out, nil
}
