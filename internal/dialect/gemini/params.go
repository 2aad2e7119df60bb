package gemini

import (
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// topField reads one member of a request: of GenerateContentRequest, EmbedContentRequest or BatchEmbedContentsRequest.
func topField(p *llm.Params, key string, v []byte) {
	switch key {
	case "generationConfig", "generation_config":
		generationConfig(p, v)
	case "outputDimensionality", "output_dimensionality":
		dialect.SetInt(&p.Dimensions, v)
	case "embedContentConfig", "embed_content_config": // Vertex AI
		for it := jsonscan.Object(v); it.Next(); {
			topField(p, string(it.Key()), it.Value())
		}
	case "requests": // the embeddings of one batch have one size
		if it := jsonscan.Array(v); it.Next() {
			for m := jsonscan.Object(it.Value()); m.Next(); {
				topField(p, string(m.Key()), m.Value())
			}
		}
	}
}

func generationConfig(p *llm.Params, v []byte) {
	var mime, modalities []byte
	for it := jsonscan.Object(v); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "temperature":
			dialect.SetFloat(&p.Temperature, v)
		case "topP", "top_p":
			dialect.SetFloat(&p.TopP, v)
		case "topK", "top_k":
			dialect.SetFloat(&p.TopK, v)
		case "maxOutputTokens", "max_output_tokens":
			dialect.SetInt(&p.MaxTokens, v)
		case "candidateCount", "candidate_count":
			if dialect.SetInt(&p.ChoiceCount, v); p.ChoiceCount.V == 1 {
				p.ChoiceCount = llm.Opt[int64]{}
			}
		case "stopSequences", "stop_sequences":
			p.Stop = jsonscan.Strings(v)
		case "seed":
			dialect.SetInt(&p.Seed, v)
		case "presencePenalty", "presence_penalty":
			dialect.SetFloat(&p.PresencePenalty, v)
		case "frequencyPenalty", "frequency_penalty":
			dialect.SetFloat(&p.FrequencyPenalty, v)
		case "responseMimeType", "response_mime_type":
			mime = v
		case "responseModalities", "response_modalities":
			modalities = v
		case "thinkingConfig", "thinking_config":
			p.ReasoningLevel = thinkingLevel(v)
		}
	}
	p.OutputType = outputType(jsonscan.String(mime), modalities)
}

func thinkingLevel(v []byte) string {
	level := jsonscan.Get(v, "thinkingLevel")
	if level == nil {
		level = jsonscan.Get(v, "thinking_level")
	}
	if s := jsonscan.String(level); s != "THINKING_LEVEL_UNSPECIFIED" {
		return s
	}
	return ""
}

// outputType is what was asked for: a MIME type says more than a modality, and text is what comes unless something else is
// asked for.
func outputType(mime string, modalities []byte) string {
	switch {
	case mime == "application/json":
		return "json"
	case strings.HasPrefix(mime, "text/"): // text/plain, and text/x.enum for one of a set of words
		return "text"
	}
	if jsonscan.KindOf(modalities) != jsonscan.List {
		return ""
	}
	for it := jsonscan.Array(modalities); it.Next(); {
		switch string(it.Value()) { // GenerationConfig.Modality by name or by number
		case `"IMAGE"`, `"image"`, "2":
			return "image"
		case `"AUDIO"`, `"audio"`, "3":
			return "speech"
		}
	}
	return ""
}
