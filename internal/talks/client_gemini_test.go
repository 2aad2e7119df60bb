package talks

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/genai"
)

// geminiGenerate is Google's library with the Gemini API.
func geminiGenerate(ctx context.Context, s *session) (out [2]turn, err error) {
	c, err := genai.NewClient(ctx, &genai.ClientConfig{Backend: genai.BackendGeminiAPI, APIKey: "AIza-client", HTTPClient: s.http,
		HTTPOptions: genai.HTTPOptions{BaseURL: s.base}})
	if err != nil {
		return out, err
	}
	tool := new(genai.Tool)
	for i, t := range offered {
		parameters := new(genai.Schema)
		if err := into(schema(i), parameters); err != nil {
			return out, err
		}
		tool.FunctionDeclarations = append(tool.FunctionDeclarations, &genai.FunctionDeclaration{Name: t.name, Description: t.description, Parameters: parameters})
	}
	config := &genai.GenerateContentConfig{MaxOutputTokens: limit, SystemInstruction: genai.NewContentFromText(system, genai.RoleUser), Tools: []*genai.Tool{tool}}
	contents := []*genai.Content{genai.NewContentFromParts([]*genai.Part{genai.NewPartFromText(question), genai.NewPartFromBytes(png, "image/png")}, genai.RoleUser)}
	for i := range out {
		var model, user genai.Content
		add := func(r *genai.GenerateContentResponse) error { return out[i].addContent(r, &model, &user) }
		if s.stream {
			for r, err := range c.Models.GenerateContentStream(ctx, s.model, contents, config) {
				if err != nil {
					return out, err
				}
				if err := add(r); err != nil {
					return out, err
				}
			}
		} else {
			r, err := c.Models.GenerateContent(ctx, s.model, contents, config)
			if err != nil {
				return out, err
			}
			if err := add(r); err != nil {
				return out, err
			}
		}
		model.Role, user.Role = genai.RoleModel, genai.RoleUser
		contents = append(contents, &model, &user)
	}
	return out, nil
}

// addContent adds what r says to the turn, the model's message, and the answer to that.
func (t *turn) addContent(r *genai.GenerateContentResponse, model, user *genai.Content) error {
	t.ID, t.Model = r.ResponseID, r.ModelVersion
	if u := r.UsageMetadata; u != nil {
		t.Input, t.Output = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount+u.ThoughtsTokenCount)
	}
	for _, c := range r.Candidates {
		if c.Index != 0 {
			return fmt.Errorf("a candidate %d", c.Index)
		}
		if c.FinishReason != "" {
			t.Finish = string(c.FinishReason)
		}
		if c.Content == nil {
			continue
		}
		model.Parts = append(model.Parts, c.Content.Parts...)
		for _, p := range c.Content.Parts {
			t.Text += p.Text
			f := p.FunctionCall
			if f == nil {
				continue
			}
			args, err := json.Marshal(f.Args)
			if err != nil {
				return err
			}
			t.Calls = append(t.Calls, call{f.ID, f.Name, string(args)})
			var result map[string]any
			if err := json.Unmarshal([]byte(resultOf(f.Name)), &result); err != nil {
				return err
			}
			user.Parts = append(user.Parts, &genai.Part{FunctionResponse: &genai.FunctionResponse{ID: f.ID, Name: f.Name, Response: result}})
		}
	}
	return nil
}
