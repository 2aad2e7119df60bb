package gemini

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound for the chat APIs of other dialects. Reasoning of earlier turns is left out, since
// only the provider that signed it can read it.
func (Dialect) BuildRequest(r *llm.Request, model string, _ *llm.Loss) (llm.API, []byte, error) {
	if r.Op != llm.OpChat {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to a %s provider.", r.API, llm.Gemini)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, refuse("messages", "The messages cannot be read: %v.", err)
	}
	var out generateContentRequest
	if err := contents(&out, c); err != nil {
		return "", nil, err
	}
	if err := tools(&out, c); err != nil {
		return "", nil, err
	}
	out.GenerationConfig = generationConfigOf(&r.Params, c, model)
	body, err := json.Marshal(&out)
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return llm.GeminiGenerate, body, nil
}

// refuse is the error for a request that the provider cannot take.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
	e.Param = param
	return e
}

// contents puts the messages in order: system text apart, and neighbours of one role joined, as turns have to alternate.
func contents(out *generateContentRequest, c *llm.Conversation) error {
	names := map[string]string{} // of the functions, by call id
	system, err := partsOf(c.System, names, "system")
	if err != nil {
		return err
	}
	for i, m := range c.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		parts, err := partsOf(m.Parts, names, at)
		if err != nil {
			return err
		}
		role := "user"
		switch m.Role {
		case llm.RoleSystem:
			system = append(system, parts...)
			continue
		case llm.RoleAssistant:
			role = "model"
		}
		if len(parts) == 0 {
			continue
		}
		if n := len(out.Contents); n > 0 && out.Contents[n-1].Role == role {
			out.Contents[n-1].Parts = append(out.Contents[n-1].Parts, parts...)
		} else {
			out.Contents = append(out.Contents, content{Role: role, Parts: parts})
		}
	}
	if len(system) > 0 {
		out.SystemInstruction = &content{Parts: system}
	}
	if len(out.Contents) == 0 {
		return refuse("messages", "There has to be a message that is not a system message.")
	}
	return nil
}

// partsOf translates the parts of one message, at says which, and notes the names of the functions that it calls.
func partsOf(parts []llm.Part, names map[string]string, at string) ([]part, error) {
	var out []part
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case llm.PartText, llm.PartRefusal:
			out = append(out, part{Text: &p.Text})
		case llm.PartReasoning:
		case llm.PartBlob:
			out = append(out, part{InlineData: &media{MIMEType: cmp.Or(p.MIME, sniff(p.Data)), Data: p.Data}})
		case llm.PartURI:
			m, err := fileOf(p, at)
			if err != nil {
				return nil, err
			}
			out = append(out, part{FileData: m})
		case llm.PartToolCall:
			args, err := dialect.Arguments(p, http.StatusBadRequest)
			if err != nil {
				return nil, err
			}
			names[p.ID] = p.Name
			out = append(out, part{FunctionCall: &functionCall{ID: p.ID, Name: p.Name, Args: args}})
		case llm.PartToolResult:
			fr, err := responseOf(p, names, at)
			if err != nil {
				return nil, err
			}
			out = append(out, part{FunctionResponse: fr})
		default:
			return nil, refuse(at, "%s holds content that a Gemini model cannot take.", at)
		}
	}
	return out, nil
}

// sniff tells the MIME type of base64 data by its first bytes, for clients of a dialect that does not name it.
func sniff(data string) string {
	head, _ := base64.StdEncoding.DecodeString(data[:min(len(data), 64)]) // 48 bytes, or what of them is base64
	return http.DetectContentType(head)
}

// fileOf names the MIME type of a file by its URI where the client did not, or said no more than image/*, since FileData
// needs one.
func fileOf(p *llm.Part, at string) (*media, error) {
	typ := p.MIME
	if strings.HasSuffix(typ, "/*") {
		typ = ""
	}
	if u, err := url.Parse(p.URI); typ == "" && err == nil {
		typ, _, _ = strings.Cut(mime.TypeByExtension(path.Ext(u.Path)), ";")
	}
	if typ == "" {
		return nil, refuse(at, "%s refers to a file whose type its URL does not tell: send the data instead.", at)
	}
	return &media{MIMEType: typ, FileURI: p.URI}, nil
}

// responseOf wraps a result that is not an object, as FunctionResponse asks: under output, or error.
func responseOf(p *llm.Part, names map[string]string, at string) (*functionResponse, error) {
	name := p.Name
	if name == "" {
		name = names[p.ID]
	}
	if name == "" {
		return nil, refuse(at, "%s answers a tool call that no message before it makes.", at)
	}
	raw := json.RawMessage(p.Text)
	if p.IsError || jsonscan.KindOf(raw) != jsonscan.Dict || jsonscan.Validate(raw) != nil {
		key := "output"
		if p.IsError {
			key = "error"
		}
		wrapped, err := json.Marshal(map[string]string{key: p.Text})
		if err != nil {
			return nil, fmt.Errorf("wrap a tool's result: %w", err)
		}
		raw = wrapped
	}
	return &functionResponse{ID: p.ID, Name: name, Response: raw}, nil
}

func tools(out *generateContentRequest, c *llm.Conversation) error {
	var t tool
	for i := range c.Tools {
		if c.Tools[i].Raw != nil {
			return refuse("tools", "tools[%d] is not a function: a Gemini model cannot call it.", i)
		}
		t.FunctionDeclarations = append(t.FunctionDeclarations, functionDeclaration{
			Name: c.Tools[i].Name, Description: c.Tools[i].Description, ParametersJSONSchema: c.Tools[i].Schema,
		})
	}
	if len(t.FunctionDeclarations) == 0 {
		return nil
	}
	out.Tools = []tool{t}
	if c.ParallelToolCalls.Set && !c.ParallelToolCalls.V {
		return refuse("parallel_tool_calls", "A Gemini model cannot be kept from calling several tools at once.")
	}
	mode := functionCallingConfig{}
	switch c.ToolChoice {
	case "auto":
		mode.Mode = "AUTO"
	case "none":
		mode.Mode = "NONE"
	case "required":
		mode.Mode = "ANY"
	case "tool":
		mode.Mode, mode.AllowedFunctionNames = "ANY", []string{c.ToolChoiceName}
	default:
		return nil
	}
	out.ToolConfig = &toolConfig{mode}
	return nil
}

func generationConfigOf(p *llm.Params, c *llm.Conversation, model string) *generationFields {
	g := &generationFields{
		Temperature: dialect.Pointer(p.Temperature), TopP: dialect.Pointer(p.TopP), TopK: dialect.Pointer(p.TopK),
		MaxOutputTokens: dialect.Pointer(p.MaxTokens), CandidateCount: dialect.Pointer(p.ChoiceCount), StopSequences: p.Stop,
		Seed: dialect.Pointer(p.Seed), PresencePenalty: dialect.Pointer(p.PresencePenalty), FrequencyPenalty: dialect.Pointer(p.FrequencyPenalty),
		ThinkingConfig: thinking(p.ReasoningLevel, model),
	}
	if p.OutputType == "json" {
		g.ResponseMIMEType, g.ResponseJSONSchema = "application/json", c.OutputSchema
	}
	return g
}

// thinking maps another provider's level: Gemini 3 has levels of its own, 2.5 budgets, which stand for the levels as in
// Google's own OpenAI compatibility ("OpenAI compatibility", section "Thinking").
func thinking(level, model string) *thinkingConfig {
	budgets := map[string]int64{"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
	budget, known := budgets[level]
	switch {
	case !known:
		return nil
	case strings.Contains(model, "gemini-2.5"):
		return &thinkingConfig{ThinkingBudget: &budget}
	case !strings.Contains(model, "gemini-3"):
		return nil
	case level == "none":
		level = "minimal"
	}
	return &thinkingConfig{ThinkingLevel: level}
}
