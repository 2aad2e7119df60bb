package gemini

import "github.com/spanway/spanway/internal/jsonscan"

// finishReason reads Candidate.FinishReason: a name, or the number that stands for it when the client asked for
// enum-encoding=int. The first six numbers mean the same everywhere; a number without a name stays as it is.
func (d *decoder) finishReason(v []byte, vertex bool) string {
	n, ok := jsonscan.Int(v)
	if !ok {
		return d.finish.Of(v)
	}
	name := geminiFinish(n)
	if vertex {
		name = vertexFinish(n)
	}
	if name == "" {
		return string(v)
	}
	return name
}

// geminiFinish is FinishReason of google.ai.generativelanguage.v1beta.Candidate.
func geminiFinish(n int64) string {
	names := [...]string{
		"FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
		"PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL",
		"TOO_MANY_TOOL_CALLS", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION",
	}
	if n < 0 || n >= int64(len(names)) {
		return ""
	}
	return names[n]
}

// vertexFinish is FinishReason of google.cloud.aiplatform.v1.Candidate.
func vertexFinish(n int64) string {
	names := [...]string{
		"FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST",
		"PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY",
		"IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
	}
	if n < 0 || n >= int64(len(names)) {
		return ""
	}
	return names[n]
}
