package bedrock

import "strings"

// family is whose model it is, for what Converse leaves to each model: the members of additionalModelRequestFields.
type family uint8

const (
	otherModel family = iota
	claude
	nova
	gptOSS
	commandR
	mistralAI
)

// families are what model ids, inference profiles and ARNs that name their model hold (user guide, "Supported foundation
// models").
var families = []struct {
	part   string
	family family
}{
	{"anthropic.", claude}, {"amazon.nova", nova}, {"openai.gpt-oss", gptOSS}, {"cohere.", commandR}, {"mistral.", mistralAI},
}

func familyOf(model string) family {
	for _, f := range families {
		if strings.Contains(model, f.part) {
			return f.family
		}
	}
	return otherModel
}
