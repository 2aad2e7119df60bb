package gateway

import (
	"errors"
	"net/http"

	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/policy"
)

// Outcome is how a call ended, the value of spanway.outcome.
type Outcome string

// The outcomes.
const (
	OutcomeOK            Outcome = "ok"
	OutcomeClientError   Outcome = "client_error"   // the request could not be served as it was: malformed, no route, the provider's 4xx
	OutcomeUpstreamError Outcome = "upstream_error" // the provider failed, or could not be reached
	OutcomeBlocked       Outcome = "blocked"        // a guardrail refused
	OutcomeRateLimited   Outcome = "rate_limited"   // 429, the provider's or ours
	OutcomeClientGone    Outcome = "client_gone"    // the client hung up before the end
	OutcomeUpstreamCut   Outcome = "upstream_cut"   // the provider's response ended before its end
	OutcomeTimeout       Outcome = "timeout"        // a timeout of the route's
	OutcomeShutdown      Outcome = "shutdown"       // the gateway stopped and the call outlasted the drain
)

// Reason is why an attempt, or a call, did not go on: a low-cardinality error.type, and what ir.Retry names.
type Reason string

// The reasons.
const (
	ReasonConnect    Reason = "connect"           // no connection: DNS, dial, TLS
	ReasonReset      Reason = "reset"             // the connection ended before a response head, or within the body
	ReasonTimeout    Reason = "timeout"           // no head, no next byte, or no end in time
	ReasonMalformed  Reason = "malformed"         // the response is not HTTP
	ReasonClientGone Reason = "client_gone"       // the client hung up
	ReasonShutdown   Reason = "shutdown"          // the process stops
	ReasonTooLarge   Reason = "request_too_large" // the body is over the limit
	ReasonSlowBody   Reason = "request_timeout"   // the body did not come in time
	ReasonInvalid    Reason = "invalid_request"   // what would have to be sent to the provider is no valid request
	ReasonBadBody    Reason = "unreadable_body"   // the body ended early or its framing is broken
)

// ErrShutdown is the cause of a call's context that ends because the process does.
var ErrShutdown = errors.New("shutting down")

// outcomeOf is the outcome of a call that ended with e.
func outcomeOf(e *llm.Error) Outcome {
	switch {
	case e.Type == policy.Rejected, e.Type == policy.Unanswered:
		return OutcomeBlocked
	case e.Status == http.StatusTooManyRequests:
		return OutcomeRateLimited
	case e.Status >= http.StatusInternalServerError && e.Type != llm.NotImplemented:
		return OutcomeUpstreamError
	}
	return OutcomeClientError
}

// outcomeOfStatus is the outcome of a call whose provider answered with status.
func outcomeOfStatus(status int) Outcome {
	switch {
	case status < http.StatusBadRequest:
		return OutcomeOK
	case status == http.StatusTooManyRequests:
		return OutcomeRateLimited
	case status < http.StatusInternalServerError:
		return OutcomeClientError
	}
	return OutcomeUpstreamError
}

// outcomeOfReason is the outcome of a call whose last attempt ended for r.
func outcomeOfReason(r Reason) Outcome {
	switch r {
	case ReasonTimeout:
		return OutcomeTimeout
	case ReasonClientGone:
		return OutcomeClientGone
	case ReasonShutdown:
		return OutcomeShutdown
	case ReasonInvalid:
		return OutcomeClientError
	}
	return OutcomeUpstreamError
}
