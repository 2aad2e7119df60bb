package llm

import (
	"fmt"
	"net/http"
)

// Error is an error that a client may see. Anything else becomes a 500 without its text.
type Error struct {
	Status  int    // HTTP status; 0 in an error that a provider reported in the middle of a stream
	Type    string // low-cardinality identifier: the provider's code, else its type; the value of error.type
	Message string // for the client; holds no secret
	Param   string // the request field at fault, when one is
	Err     error  // the cause, never shown
}

// NotImplemented is the type of errors of status 501: the request, or its answer, has no translation for the provider.
const NotImplemented = "not_implemented"

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%d %s: %s: %v", e.Status, e.Type, e.Message, e.Err)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a formatted message.
func Errorf(status int, typ, format string, args ...any) *Error {
	return &Error{Status: status, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// UpstreamCut is what a client is told when its provider broke the response off before anything of it had gone out.
func UpstreamCut() *Error {
	return Errorf(http.StatusBadGateway, "upstream_cut", "the provider's response ended before its end")
}
