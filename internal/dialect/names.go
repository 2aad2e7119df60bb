package dialect

import "github.com/spanway/spanway/internal/llm"

// Names is what an API calls the neutral fields, where that is not the neutral name.
type Names map[llm.Field]string

// Of is what the API calls f.
func (n Names) Of(f llm.Field) string {
	if s, ok := n[f]; ok {
		return s
	}
	return string(f)
}
