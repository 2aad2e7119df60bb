package gemini

import (
	"net/http"
	"strconv"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Error implements llm.Inbound: {"error":{"code","message","status"}} (Google Cloud APIs, "Errors", HTTP mapping), with the
// status that google.rpc.Code maps to the HTTP status. An error without an HTTP status has that of its type when it is one
// of Google's, else 500.
func (Dialect) Error(e *llm.Error) []byte {
	status := e.Status
	if status == 0 {
		status = statusOf(e.Type)
	}
	b := append([]byte(nil), `{"error":{"code":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"message":`...)
	b = jsonscan.AppendString(b, e.Message)
	b = append(b, `,"status":`...)
	b = jsonscan.AppendString(b, codeOf(status))
	return append(b, "}}"...)
}

// StreamError implements llm.Inbound. For a client that takes its stream as an array it is the separator, the error as
// one more element, and the closing bracket: it makes valid JSON after at least one whole element.
func (d Dialect) StreamError(r *llm.Request, e *llm.Error) []byte {
	if r.StreamArray {
		return append(append([]byte(",\r\n"), d.Error(e)...), ']')
	}
	return append(append([]byte("data: "), d.Error(e)...), "\r\n\r\n"...)
}

// rpcCode pairs a name of google.rpc.Code with its HTTP status.
type rpcCode struct {
	status int
	name   string
}

// codes is the mapping of google/rpc/code.proto; of several names for one status the first is used.
func codes() [12]rpcCode {
	return [...]rpcCode{
		{http.StatusBadRequest, "INVALID_ARGUMENT"},
		{http.StatusBadRequest, "FAILED_PRECONDITION"},
		{http.StatusUnauthorized, "UNAUTHENTICATED"},
		{http.StatusForbidden, "PERMISSION_DENIED"},
		{http.StatusNotFound, "NOT_FOUND"},
		{http.StatusConflict, "ABORTED"},
		{http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
		{499, "CANCELLED"},
		{http.StatusInternalServerError, "INTERNAL"},
		{http.StatusNotImplemented, "UNIMPLEMENTED"},
		{http.StatusServiceUnavailable, "UNAVAILABLE"},
		{http.StatusGatewayTimeout, "DEADLINE_EXCEEDED"},
	}
}

func codeOf(status int) string {
	for _, c := range codes() {
		if c.status == status {
			return c.name
		}
	}
	switch {
	case status == http.StatusBadGateway, status == 529: // the latter is Anthropic's for overloaded
		return "UNAVAILABLE"
	case status == http.StatusRequestTimeout:
		return "DEADLINE_EXCEEDED"
	case status < http.StatusInternalServerError:
		return "INVALID_ARGUMENT"
	}
	return "INTERNAL"
}

func statusOf(typ string) int {
	for _, c := range codes() {
		if c.name == typ {
			return c.status
		}
	}
	return http.StatusInternalServerError
}
