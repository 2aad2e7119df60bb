package llm

import "net/http"

// InputTexts are the texts that r asks embeddings of, for a provider that embeds one text each time. It fails with an *Error of
// status 400 when an input is something else, whatever losses are allowed: the vector of a part of an input is another one, and
// a vector too few stands in another's place.
func (r *Request) InputTexts(c *Conversation, provider string) ([]string, error) {
	texts := make([]string, 0, len(c.Inputs))
	for _, parts := range c.Inputs {
		if len(parts) != 1 || parts[0].Kind != PartText {
			return nil, r.InputRefused(provider + " embeds one text at a time, or several, and nothing else")
		}
		texts = append(texts, parts[0].Text)
	}
	if len(texts) == 0 {
		return nil, r.InputRefused("there is no text to embed")
	}
	return texts, nil
}

// InputRefused is the error for inputs of embeddings that a provider cannot take as they are, and why.
func (r *Request) InputRefused(why string) error {
	e := Errorf(http.StatusBadRequest, "invalid_request_error", "%s: %s.", r.Field(FieldInput), why)
	e.Param = r.Field(FieldInput)
	return e
}
