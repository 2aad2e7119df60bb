package matrix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/matrix/published"
)

// facets are what a request says in neutral terms, by field. The values are those of JSON. A field that says no more than its
// absence is not among them.
type facets map[string]any

// What has no llm.Field of its own.
const (
	facetCalls   = "tool calls"
	facetResults = "tool results"
	facetExtra   = "extra"
	facetName    = "schema name"
	facetStrict  = "schema strict"
)

// noSignature stands for the signature of calls that Gemini did not make (Gemini API, Thought signatures, FAQ).
const noSignature = published.NoSignature

// fields are all that a loss may name.
var fields = []llm.Field{
	llm.FieldMessages, llm.FieldSystem, llm.FieldTemperature, llm.FieldTopP, llm.FieldTopK, llm.FieldFrequency, llm.FieldPresence,
	llm.FieldMaxTokens, llm.FieldSeed, llm.FieldStop, llm.FieldChoices, llm.FieldLogprobs, llm.FieldTopLogprobs, llm.FieldOutput,
	llm.FieldSchema, llm.FieldModalities, llm.FieldEffort, llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldShowThinking,
	llm.FieldServiceTier, llm.FieldConversation, llm.FieldPrevious, llm.FieldUser, llm.FieldTools, llm.FieldServerTools,
	llm.FieldStrict, llm.FieldToolChoice, llm.FieldParallel, llm.FieldCache, llm.FieldImage, llm.FieldImageURL,
	llm.FieldImageDetail, llm.FieldDocument, llm.FieldDocumentURL, llm.FieldAudio, llm.FieldFile, llm.FieldToolResultMedia,
	llm.FieldToolResultError, llm.FieldReasoning, llm.FieldSignature, llm.FieldName, llm.FieldContent,
}

func (f facets) set(name llm.Field, when bool, v any) {
	if when {
		f[string(name)] = v
	}
}

func (f facets) add(name llm.Field, v any) {
	list, _ := f[string(name)].([]any)
	f[string(name)] = append(list, v)
}

// facetsOf is what r says.
func facetsOf(r *llm.Request) (facets, error) {
	c, err := r.Conversation()
	if err != nil {
		return nil, err
	}
	f := facets{}
	f.params(&r.Params)
	f.options(c, r.Params.OutputType)
	f.tools(c.Tools)
	f.messages(c)
	for _, x := range c.Extra {
		f.add(facetExtra, x.Field)
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	out := facets{}
	return out, json.Unmarshal(b, &out)
}

func (f facets) params(p *llm.Params) {
	f.set(llm.FieldTemperature, p.Temperature.Set, p.Temperature.V)
	f.set(llm.FieldTopP, p.TopP.Set, p.TopP.V)
	f.set(llm.FieldTopK, p.TopK.Set, p.TopK.V)
	f.set(llm.FieldFrequency, p.FrequencyPenalty.V != 0, p.FrequencyPenalty.V)
	f.set(llm.FieldPresence, p.PresencePenalty.V != 0, p.PresencePenalty.V)
	f.set(llm.FieldMaxTokens, p.MaxTokens.Set, p.MaxTokens.V)
	f.set(llm.FieldSeed, p.Seed.Set, p.Seed.V)
	f.set(llm.FieldStop, len(p.Stop) > 0, p.Stop)
	f.set(llm.FieldChoices, p.ChoiceCount.V > 1, p.ChoiceCount.V)
	off := strings.EqualFold(p.ReasoningLevel, "none") // says what other APIs say by turning it off
	f.set(llm.FieldThinking, off, "off")
	f.set(llm.FieldEffort, p.ReasoningLevel != "" && !off, strings.ToLower(p.ReasoningLevel))
	f.set(llm.FieldServiceTier, p.ServiceTier != "" && p.ServiceTier != "default", p.ServiceTier)
	f.set(llm.FieldConversation, p.ConversationID != "", p.ConversationID)
	f.set(llm.FieldPrevious, p.PreviousResponseID != "", p.PreviousResponseID)
	f.set(llm.FieldModalities, p.OutputType != "" && p.OutputType != "json" && p.OutputType != "text", p.OutputType)
}

func (f facets) options(c *llm.Conversation, output string) {
	f.set(llm.FieldOutput, output == "json" && c.OutputSchema == nil, output)
	f.set(llm.FieldSchema, c.OutputSchema != nil, json.RawMessage(c.OutputSchema))
	f.set(facetName, c.OutputName != "", c.OutputName)
	f.set(facetStrict, c.OutputStrict.Set, c.OutputStrict.V)
	f.set(llm.FieldUser, c.User != "", c.User)
	f.set(llm.FieldThinking, c.Thinking != "", c.Thinking)
	f.set(llm.FieldThinkingBudget, c.ThinkingBudget.Set, c.ThinkingBudget.V)
	f.set(llm.FieldShowThinking, c.ShowThinking.Set, c.ShowThinking.V)
	f.set(llm.FieldLogprobs, c.Logprobs, true)
	f.set(llm.FieldTopLogprobs, c.TopLogprobs.V > 0, c.TopLogprobs.V)
	called := len(c.Tools) > 0 && c.ToolChoice != "none" // else there is nothing to call one by one
	f.set(llm.FieldParallel, called && c.ParallelToolCalls.Set && !c.ParallelToolCalls.V, false)
	choice := strings.TrimSpace(c.ToolChoice + " " + c.ToolChoiceName)
	f.set(llm.FieldToolChoice, choice != "" && choice != "auto", choice)
}

func (f facets) tools(tools []llm.Tool) {
	for _, t := range tools {
		if t.Raw != nil {
			f.add(llm.FieldServerTools, t.Name)
			continue
		}
		f.add(llm.FieldTools, map[string]any{"name": t.Name, "description": t.Description, "schema": schemaOf(&t)})
		if t.Strict.V {
			f.add(llm.FieldStrict, t.Name)
		}
		if t.Cache != "" {
			f.add(llm.FieldCache, "tool "+t.Name+" "+t.Cache)
		}
	}
}

// schemaOf is the schema of t's arguments, in one form for tools that take none.
func schemaOf(t *llm.Tool) any {
	schema := map[string]any{}
	if json.Unmarshal(t.Schema, &schema) != nil {
		schema["type"] = "object"
	}
	if p, ok := schema["properties"].(map[string]any); !ok || len(p) == 0 {
		delete(schema, "properties")
	}
	return schema
}

// messages tells what is said turn by turn, and each other kind of content by itself.
func (f facets) messages(c *llm.Conversation) {
	for i := range c.System {
		f.part(llm.RoleSystem, &c.System[i])
	}
	var turns []string
	var last llm.Role
	var calls []llm.Part
	answered := map[int]bool{}
	for _, m := range c.Messages {
		if m.Name != "" && m.Role != llm.RoleTool {
			f.add(llm.FieldName, m.Name)
		}
		for i := range m.Parts {
			p := &m.Parts[i]
			switch {
			case p.Kind == llm.PartToolCall:
				f.add(facetCalls, fmt.Sprintf("%d %s %s", len(calls), p.Name, canonical(cmp.Or(p.Text, "{}"))))
				calls = append(calls, *p)
			case p.Kind == llm.PartToolResult:
				n := callOf(calls, p, answered)
				answered[n] = true
				f.add(facetResults, fmt.Sprintf("%d %s", n, p.Text))
				if p.IsError {
					f.add(llm.FieldToolResultError, fmt.Sprint(n))
				}
			case isText(p) && m.Role != llm.RoleSystem && m.Role != llm.RoleTool:
				if last != m.Role || len(turns) == 0 {
					turns = append(turns, string(m.Role)+": ")
				}
				turns[len(turns)-1] += p.Text
				last = m.Role
			default:
				f.part(m.Role, p)
			}
			f.mark(m.Role, p)
		}
		if m.Role == llm.RoleTool || len(m.Parts) > 0 {
			last = lastOf(m.Role, last)
		}
	}
	for _, s := range turns {
		f.add(llm.FieldMessages, s)
	}
}

// lastOf is the role that spoke last: a system text between two turns of one side does not part them.
func lastOf(role, last llm.Role) llm.Role {
	if role == llm.RoleSystem {
		return last
	}
	return role
}

func isText(p *llm.Part) bool { return p.Kind == llm.PartText || p.Kind == llm.PartRefusal }

// callOf is the place of the call that p answers: by id, else the first unanswered one of its name, else the first unanswered.
func callOf(calls []llm.Part, p *llm.Part, answered map[int]bool) int {
	for _, same := range []func(q *llm.Part) bool{
		func(q *llm.Part) bool { return p.ID != "" && q.ID == p.ID },
		func(q *llm.Part) bool { return p.Name != "" && q.Name == p.Name },
		func(*llm.Part) bool { return p.ID == "" && p.Name == "" },
	} {
		for i := range calls {
			if !answered[i] && same(&calls[i]) {
				return i
			}
		}
	}
	return -1
}

func (f facets) mark(role llm.Role, p *llm.Part) {
	if p.Cache != "" {
		f.add(llm.FieldCache, fmt.Sprintf("%s %s %s", role, p.Text, p.Cache))
	}
}

// part tells a part that is neither said in a turn nor a call or a result.
func (f facets) part(role llm.Role, p *llm.Part) {
	field := llm.FieldContent
	v := map[string]any{}
	for k, s := range map[string]string{"mime": p.MIME, "data": p.Data, "uri": p.URI} {
		if s != "" {
			v[k] = strings.TrimSuffix(s, "/*")
		}
	}
	media := func(image, document llm.Field) llm.Field {
		switch {
		case p.MIME == "" || strings.HasPrefix(p.MIME, "image"):
			return image
		case strings.HasPrefix(p.MIME, "audio/"):
			return llm.FieldAudio
		}
		return document
	}
	switch {
	case isText(p) && role == llm.RoleSystem:
		f.add(llm.FieldSystem, p.Text)
		f.mark(role, p)
		return
	case p.Kind == llm.PartReasoning:
		if p.Text != "" {
			f.add(llm.FieldReasoning, p.Text)
		}
		if s := p.Signature + p.Data; s != "" && s != noSignature {
			f.add(llm.FieldSignature, s)
		}
		return
	case p.Kind == llm.PartFile:
		f.add(llm.FieldFile, p.ID)
		return
	case role == llm.RoleTool:
		field = llm.FieldToolResultMedia
	case p.Kind == llm.PartBlob:
		field = media(llm.FieldImage, llm.FieldDocument)
	case p.Kind == llm.PartURI:
		field = media(llm.FieldImageURL, llm.FieldDocumentURL)
	}
	f.add(field, v)
	if p.Detail != "" && p.Detail != "auto" {
		f.add(llm.FieldImageDetail, p.Detail)
	}
}

// canonical is JSON in one form, or s when it is none.
func canonical(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return s
	}
	return string(b)
}

// implied are fields that some API cannot say without another, which is then not made up.
var implied = map[llm.Field][]llm.Field{
	llm.FieldThinking:     {llm.FieldShowThinking, llm.FieldThinkingBudget}, // Anthropic has it shown by default, and of a size
	llm.FieldShowThinking: {llm.FieldThinking, llm.FieldThinkingBudget, llm.FieldEffort},
}

func (f facets) implies(k string) bool {
	return slices.ContainsFunc(implied[llm.Field(k)], func(by llm.Field) bool { return f[string(by)] != nil })
}

// lacks compares what was asked for with what a provider is told, but for the fields that are left out, and says what differs.
// Spaces between the parts of a text may differ. The name of a schema and whether it is strict are told where there is a place.
func (f facets) lacks(told facets, left map[string]bool, adds []string) []string {
	var out []string
	for k, want := range f {
		got, ok := told[k]
		switch {
		case left[k], (k == facetName || k == facetStrict) && !ok:
		case !ok:
			out = append(out, fmt.Sprintf("%s is dropped in silence: %v", k, want))
		case !same(k, want, got):
			out = append(out, fmt.Sprintf("%s changes (-asked +told): %s", k, gocmp.Diff(want, got)))
		}
	}
	for k, got := range told {
		if _, ok := f[k]; !ok && !slices.Contains(adds, k) && !f.implies(k) && k != facetName && k != facetStrict {
			out = append(out, fmt.Sprintf("%s is made up: %v", k, got))
		}
	}
	slices.Sort(out)
	return out
}

func same(k string, want, got any) bool {
	switch llm.Field(k) {
	case llm.FieldMessages, llm.FieldSystem, facetResults:
		return unspaced(want) == unspaced(got)
	case llm.FieldImage, llm.FieldImageURL, llm.FieldDocument, llm.FieldDocumentURL, llm.FieldAudio, llm.FieldToolResultMedia:
		return slices.EqualFunc(want.([]any), got.([]any), sameMedia)
	}
	return gocmp.Equal(want, got)
}

// sameMedia compares content that is no text. Some APIs do not tell of what type an image is, or only that it is one.
func sameMedia(a, b any) bool {
	x, y := a.(map[string]any), b.(map[string]any)
	mime := func(m map[string]any) string {
		if s, ok := m["mime"].(string); ok {
			return s
		}
		return "image"
	}
	return x["data"] == y["data"] && x["uri"] == y["uri"] && (strings.HasPrefix(mime(x), mime(y)) || strings.HasPrefix(mime(y), mime(x)))
}

func unspaced(v any) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, fmt.Sprint(v))
}
