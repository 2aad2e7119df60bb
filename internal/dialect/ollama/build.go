package ollama

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spanway/spanway/internal/dialect"
	"github.com/spanway/spanway/internal/llm"
)

// BuildRequest implements llm.Outbound for the chat APIs of other dialects.
func (Dialect) BuildRequest(r *llm.Request, model string, _ *llm.Loss) (llm.API, []byte, error) {
	if r.Op != llm.OpChat {
		return "", nil, llm.Errorf(http.StatusNotImplemented, llm.NotImplemented, "Requests of %s cannot be sent to an %s provider.", r.API, llm.Ollama)
	}
	c, err := r.Conversation()
	if err != nil {
		return "", nil, refuse("messages", "The messages cannot be read: %v.", err)
	}
	p := &r.Params
	if p.ChoiceCount.Set {
		return "", nil, refuse("n", "An Ollama model gives one answer at a time.")
	}
	out := chatRequest{Model: model, Stream: r.Stream, Options: optionsOf(p)}
	if out.Messages, err = messagesOf(c); err != nil {
		return "", nil, err
	}
	if out.Tools, err = toolsOf(c); err != nil {
		return "", nil, err
	}
	if p.OutputType == "json" {
		if out.Format = c.OutputSchema; out.Format == nil {
			out.Format = json.RawMessage(`"json"`)
		}
	}
	switch p.ReasoningLevel {
	case "":
	case "none":
		out.Think = false
	default:
		out.Think = p.ReasoningLevel
	}
	body, err := json.Marshal(&out)
	if err != nil {
		return "", nil, fmt.Errorf("build a request: %w", err)
	}
	return llm.OllamaChat, body, nil
}

// refuse is the error for a request that the provider cannot take.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, badRequest, format, args...)
	e.Param = param
	return e
}

func optionsOf(p *llm.Params) *modelOptions {
	return &modelOptions{
		Temperature: dialect.Pointer(p.Temperature), TopP: dialect.Pointer(p.TopP), TopK: dialect.Pointer(p.TopK),
		NumPredict: dialect.Pointer(p.MaxTokens), Stop: p.Stop, Seed: dialect.Pointer(p.Seed),
		FrequencyPenalty: dialect.Pointer(p.FrequencyPenalty), PresencePenalty: dialect.Pointer(p.PresencePenalty),
	}
}

// messagesOf translates the conversation. Each result of a tool is a message of its own.
func messagesOf(c *llm.Conversation) ([]message, error) {
	var out []message
	names := map[string]string{} // of the functions, by call id
	all := c.Messages
	if len(c.System) > 0 {
		all = append([]llm.Message{{Role: llm.RoleSystem, Parts: c.System}}, all...)
	}
	for i := range all {
		m := message{Role: string(all[i].Role)}
		said := false
		for j := range all[i].Parts {
			p := &all[i].Parts[j]
			if p.Kind == llm.PartToolResult {
				name := p.Name
				if name == "" {
					name = names[p.ID]
				}
				out = append(out, message{Role: string(llm.RoleTool), Content: p.Text, ToolName: name, ToolCallID: p.ID})
				continue
			}
			if err := addPart(&m, p, names); err != nil {
				return nil, err
			}
			said = true
		}
		if said {
			out = append(out, m)
		}
	}
	return out, nil
}

func addPart(m *message, p *llm.Part, names map[string]string) error {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		m.Content += p.Text
	case llm.PartReasoning:
		m.Thinking += p.Text
	case llm.PartBlob:
		m.Images = append(m.Images, p.Data)
	case llm.PartToolCall:
		args, err := dialect.Arguments(p, http.StatusBadRequest)
		if err != nil {
			return err
		}
		names[p.ID] = p.Name
		m.ToolCalls = append(m.ToolCalls, toolCall{ID: p.ID, Function: functionCall{Name: p.Name, Arguments: args}})
	case llm.PartURI:
		return refuse("messages", "An Ollama model takes images as data, not by URL.")
	default:
		return refuse("messages", "The messages hold content that an Ollama model cannot take.")
	}
	return nil
}

// toolsOf translates the tools. Ollama leaves the choice of tools to the model.
func toolsOf(c *llm.Conversation) ([]tool, error) {
	switch {
	case c.ToolChoice == "none" || len(c.Tools) == 0:
		return nil, nil
	case c.ToolChoice == "required" || c.ToolChoice == "tool":
		return nil, refuse("tool_choice", "An Ollama model cannot be made to call a tool.")
	case c.ParallelToolCalls.Set && !c.ParallelToolCalls.V:
		return nil, refuse("parallel_tool_calls", "An Ollama model cannot be kept from calling several tools at once.")
	}
	var out []tool
	for i, t := range c.Tools {
		if t.Raw != nil {
			return nil, refuse("tools", "tools[%d] is not a function: an Ollama model cannot call it.", i)
		}
		out = append(out, tool{Type: "function", Function: function{Name: t.Name, Description: t.Description, Parameters: t.Schema}})
	}
	return out, nil
}
