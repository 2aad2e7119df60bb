package anthropic

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// statusOverloaded is the status of overloaded_error (API reference, Errors).
const statusOverloaded = 529

const (
	invalidRequest = "invalid_request_error"
	apiError       = "api_error"
)

// Error implements llm.Inbound: {"type":"error","error":{…}} with the type that the API reference gives e's status.
func (Dialect) Error(e *llm.Error) []byte { return appendError(nil, e) }

// StreamError implements llm.Inbound with an error event, which both APIs have (API reference, Streaming messages).
func (Dialect) StreamError(_ *llm.Request, e *llm.Error) []byte { return appendErrorEvent(nil, e) }

func appendErrorEvent(dst []byte, e *llm.Error) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = appendError(dst, e)
	return append(dst, "\n\n"...)
}

func appendError(dst []byte, e *llm.Error) []byte {
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonscan.AppendString(dst, errorType(e))
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	return append(dst, "}}"...)
}

// errorType is Anthropic's type for e: by its status, or its own where it has none and the type is Anthropic's.
func errorType(e *llm.Error) string {
	switch e.Status {
	case 0:
		return knownType(e.Type)
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case statusOverloaded:
		return "overloaded_error"
	}
	if e.Status < http.StatusInternalServerError {
		return invalidRequest
	}
	return apiError
}

func knownType(t string) string {
	switch t {
	case invalidRequest, "authentication_error", "billing_error", "permission_error", "not_found_error", "request_too_large",
		"rate_limit_error", "timeout_error", "overloaded_error":
		return t
	}
	return apiError
}

// malformed is the client's error for a body that is not the JSON of the API.
func malformed(err error) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, invalidRequest, "the request body is not a valid JSON object: %v", err)
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) {
		e.Err = err
	}
	return e
}

// refuse is the client's error for a field that is not acceptable.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, invalidRequest, format, args...)
	e.Param = param
	return e
}

// refuseAt is the client's error for one element of a list, which it names.
func refuseAt(list string, index int, format string, args ...any) *llm.Error {
	param := fmt.Sprintf("%s[%d]", list, index)
	return refuse(param, "%s: %s", param, fmt.Sprintf(format, args...))
}
