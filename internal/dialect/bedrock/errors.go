package bedrock

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// fault reads the errors of one response, which both APIs tell alike: in the body of an error response, whose type is in the
// header X-Amzn-Errortype, and as exceptions in the midst of an event stream.
type fault struct {
	status int    // of an error response, else 0
	typ    string // of it, "" when the header is missing
}

func faultOf(h *llm.Head) fault {
	if h.Status < http.StatusBadRequest {
		return fault{}
	}
	return fault{status: h.Status, typ: errorName(h.Header.Get("X-Amzn-Errortype"))}
}

// errorName is the name of an error alone: a namespace may stand before it, a URL behind it (Smithy, AWS restJson1,
// "Operation error serialization").
func errorName(s string) string {
	s, _, _ = strings.Cut(s, ":")
	return strings.TrimSpace(s[strings.LastIndexByte(s, '#')+1:])
}

// decode fills in ev from a frame that tells an error; ok is false for any other.
func (t *fault) decode(f *frame.Frame, ev *llm.Event) (ok bool) {
	switch {
	case f.Exception:
		ev.Err = &llm.Error{Type: errorName(f.Event), Message: messageOf(f.Data)}
		if m := frame.Header(f.Headers, ":error-message"); m != nil {
			ev.Err.Message = string(m)
		}
	case t.status != 0:
		ev.Err, ev.Last = &llm.Error{Status: t.status, Type: t.typ, Message: messageOf(f.Data)}, true
		if ev.Err.Type == "" {
			ev.Err.Type = errorName(jsonscan.String(member(f.Data, "__type")))
		}
	default:
		return false
	}
	return true
}

// messageOf is that of an error's JSON, "" when there is none.
func messageOf(v []byte) string {
	m := member(v, "message")
	if m == nil {
		m = member(v, "Message")
	}
	return jsonscan.String(m)
}

// member is a member of v, nil when v is not an object.
func member(v []byte, name string) []byte {
	if jsonscan.KindOf(v) != jsonscan.Dict {
		return nil
	}
	return jsonscan.Get(v, name)
}

// Error implements llm.Inbound. The type, for which Bedrock has a header, is in the body too, where clients of AWS look next
// (Smithy, AWS restJson1).
func (Dialect) Error(e *llm.Error) []byte { return appendError(nil, e, errorType(e)) }

func appendError(dst []byte, e *llm.Error, typ string) []byte {
	dst = append(dst, `{"__type":`...)
	dst = jsonscan.AppendString(dst, typ)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	return append(dst, '}')
}

// StreamError implements llm.Inbound: an exception in the midst of an event stream.
func (Dialect) StreamError(_ *llm.Request, e *llm.Error) []byte { return appendException(nil, e) }

func appendException(dst []byte, e *llm.Error) []byte {
	headers := frame.AppendHeader(nil, ":exception-type", exceptionType(e))
	headers = frame.AppendHeader(headers, ":content-type", "application/json")
	headers = frame.AppendHeader(headers, ":message-type", "exception")
	payload := append([]byte(`{"message":`), jsonscan.AppendString(nil, e.Message)...)
	return frame.AppendMessage(dst, headers, append(payload, '}'))
}

// errorType is Bedrock's type for e, by its status (API reference, Converse, Errors).
func errorType(e *llm.Error) string {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "AccessDeniedException"
	case http.StatusNotFound:
		return "ResourceNotFoundException"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "ModelTimeoutException"
	case http.StatusTooManyRequests:
		return "ThrottlingException"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailableException"
	}
	if e.Status != 0 && e.Status < http.StatusInternalServerError {
		return "ValidationException"
	}
	return "InternalServerException"
}

// exceptionType is Bedrock's exception for e, of those that a stream may hold (API reference, ConverseStreamOutput).
func exceptionType(e *llm.Error) string {
	switch t := errorType(e); {
	case e.Status == 0 && isException(e.Type):
		return e.Type
	case t == "ThrottlingException":
		return "throttlingException"
	case t == "ServiceUnavailableException":
		return "serviceUnavailableException"
	case t == "InternalServerException" && e.Status == http.StatusInternalServerError:
		return "internalServerException"
	case t == "InternalServerException" || t == "ModelTimeoutException":
		return "modelStreamErrorException"
	}
	return "validationException"
}

func isException(typ string) bool {
	switch typ {
	case "internalServerException", "modelStreamErrorException", "serviceUnavailableException", "throttlingException", "validationException":
		return true
	}
	return false
}

// refuse is the client's error for a field that is not acceptable.
func refuse(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(http.StatusBadRequest, "invalid_request_error", format, args...)
	e.Param = param
	return e
}

// refuseAt is the client's error for one element of a list, which it names.
func refuseAt(list string, index int, format string, args ...any) *llm.Error {
	param := fmt.Sprintf("%s[%d]", list, index)
	return refuse(param, "%s: %s", param, fmt.Sprintf(format, args...))
}
