package extproc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/coding"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
	"github.com/spanway/spanway/internal/xds"
)

var errUnknown = status.Error(codes.NotFound, "no such call, or it goes on without this attempt")

// try carries the stream U of an attempt.
func (s *Server) try(stream extprocv3.ExternalProcessor_ProcessServer, md metadata.MD) (err error) {
	n, _ := strconv.Atoi(first(md, xds.AttemptKey))
	x := s.sessions.of(first(md, xds.CallKey))
	if x == nil || n < 1 {
		return errUnknown
	}
	u := &attempt{session: x, stream: stream, n: n, cluster: first(md, xds.ClusterKey)}
	var m extprocv3.ProcessingRequest
	for {
		if err := stream.RecvMsg(&m); err != nil {
			return err
		}
		if err := u.take(&m); err != nil {
			return err
		}
	}
}

// attempt is one attempt, as its stream sees it.
type attempt struct {
	*session

	stream  extprocv3.ExternalProcessor_ProcessServer
	n       int
	cluster string
}

func (u *attempt) take(m *extprocv3.ProcessingRequest) (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer func() {
		if u.server.caught(recover()) {
			err = u.apologise()
		}
	}()
	switch r := m.Request.(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		return u.request(r.RequestHeaders)
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return u.answer(r.ResponseHeaders)
	}
	return errOrder
}

// apologise ends a call that panicked.
func (u *attempt) apologise() (err error) {
	defer func() {
		if u.server.caught(recover()) {
			err = errUnknown
		}
	}()
	if u.phase != attempting {
		return errUnknown
	}
	return u.refuse(u.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error")))
}

// request puts the attempt's head and body in place of what Envoy shows.
func (u *attempt) request(m *extprocv3.HttpHeaders) error {
	switch on := u.advance(u.stream.Context(), u.n, true); {
	case u.phase == attempting && u.reply != nil:
		return u.refuse(u.reply)
	case !on:
		return errUnknown
	case u.cluster != u.server.clusters.of(u.session.attempt.Backend):
		u.server.log.Error("an attempt went elsewhere than it was planned to", "cluster", u.cluster, "backend", u.session.attempt.Backend.Name)
		return u.refuse(u.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error")))
	}
	return u.stream.SendMsg(outgoing(u.session.attempt.Outgoing(), m))
}

// refuse ends the call in place of an attempt. Envoy does not retry that; R sees it and tells the client.
func (u *attempt) refuse(r *gateway.Reply) error {
	u.reply = r
	u.wake()
	return u.stream.SendMsg(immediate(r.Status, r.Header, r.Body))
}

// outgoing makes of the request that Envoy shows the one that is to be sent: all of its head is set, and all else removed, for the
// request that a former attempt sent is still there, its credential included.
func outgoing(o *gateway.Outgoing, shown *extprocv3.HttpHeaders) *extprocv3.ProcessingResponse {
	m := newMutation(len(o.Header) + 4)
	for _, f := range shown.GetHeaders().GetHeaders() {
		if !strings.HasPrefix(f.Key, ":") && len(o.Header[http.CanonicalHeaderKey(f.Key)]) == 0 {
			m.remove(f.Key)
		}
	}
	m.set(":method", o.Method)
	path := o.Path
	if o.Query != "" {
		path += "?" + o.Query
	}
	m.set(":path", path)
	m.set(":authority", o.Host)
	for k, v := range o.Header {
		m.setAll(k, v)
	}
	common := &extprocv3.CommonResponse{HeaderMutation: &m.HeaderMutation}
	resp := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: common}}}
	if len(o.Body) > 0 || !shown.EndOfStream || hasBody(o.Method) {
		common.Status = extprocv3.CommonResponse_CONTINUE_AND_REPLACE
		common.BodyMutation = &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: o.Body}}
		resp.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{xds.Namespace: structpb.NewStructValue(&structpb.Struct{
			Fields: map[string]*structpb.Value{"content_length": structpb.NewStringValue(strconv.Itoa(len(o.Body)))}})}}
	}
	return resp
}

// hasBody reports whether a request of the method tells its length when it has no body, too (RFC 9110, section 8.6).
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// jitter is by how much Envoy may stretch a pause that it is asked for (config.route.v3.RetryPolicy.RateLimitedRetryBackOff). What is
// left of the pause the next attempt's stream waits, while the attempt's time to its head runs: so Envoy gets the greatest part.
const jitter = 1.5

// answer takes the head of the attempt's response, and tells Envoy whether another attempt is to be made.
func (u *attempt) answer(m *extprocv3.HttpHeaders) error {
	if u.phase != attempting || u.session.n != u.n || u.judged {
		return errUnknown
	}
	p, h := readHead(m.GetHeaders(), nil)
	code, err := strconv.Atoi(p.status)
	if err != nil {
		return errOrder
	}
	protocol := protocolOf(h.Get(protocolHeader))
	delete(h, protocolHeader)
	u.coding = ""
	if u.call.Inspects() {
		u.coding = coding.Undo(h)
	}
	u.head = llm.Head{Status: code, Header: h, UntilClose: untilClose(protocol, h, m.EndOfStream)}
	u.headed = true
	v := u.session.attempt.Head(&u.head, protocol)
	u.judge(v)
	change := newMutation(1)
	change.remove(xds.ProtocolHeader)
	resp := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{
		Response: &extprocv3.CommonResponse{HeaderMutation: &change.HeaderMutation}}}}
	switch {
	case v.Reply != nil:
		return u.refuse(v.Reply)
	case v.Retry:
		change.set(xds.RetryHeader, "1")
		if s := int(v.Wait.Seconds() / jitter); s > 0 {
			change.set(xds.WaitHeader, strconv.Itoa(s))
		}
		ahead := u.call.Ahead(nil)
		if len(ahead) == 0 { // none of the targets that are left can take the request
			if r := u.next(); r != nil {
				return u.refuse(r)
			}
			return errUnknown
		}
		if done := min(u.n-1, len(u.ahead)); !slices.Equal(ahead, u.ahead[done:]) { // Envoy counts from the plan's beginning
			u.ahead = append(u.ahead[:done], ahead...)
			resp.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{
				xds.Plan: u.server.plans.of(&u.server.clusters, u.session.attempt.Backend, u.ahead)}}
		}
	}
	return u.stream.SendMsg(resp)
}

// untilClose reports whether the body of a response ends with its connection (RFC 9112, section 6.3, rule 8).
func untilClose(protocol string, h http.Header, bodiless bool) bool {
	return !bodiless && protocol[0] == '1' && h["Content-Length"] == nil && h["Transfer-Encoding"] == nil
}
