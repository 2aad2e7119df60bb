package extproc

import (
	"io"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

// accessLog is Envoy's AccessLogService.
type accessLog struct {
	accesslogv3.UnimplementedAccessLogServiceServer

	server *Server
}

// StreamAccessLogs takes entries until Envoy ends the stream. Those of calls that have ended are of no use any more.
func (l accessLog) StreamAccessLogs(stream accesslogv3.AccessLogService_StreamAccessLogsServer) error {
	name := ""
	var m accesslogv3.StreamAccessLogsMessage
	for {
		if err := stream.RecvMsg(&m); err != nil {
			if err == io.EOF {
				return stream.SendAndClose(&accesslogv3.StreamAccessLogsResponse{})
			}
			return err
		}
		if id := m.GetIdentifier(); id != nil { // only in the first message
			name = id.LogName
		}
		for _, e := range m.GetHttpLogs().GetLogEntry() {
			switch name {
			case xds.CallLog:
				l.server.callEnded(e.GetCommonProperties())
			case xds.AttemptLog:
				l.server.attemptEnded(e.GetCommonProperties())
			}
		}
	}
}

// callEnded hears how a call went.
func (s *Server) callEnded(p *datav3.AccessLogCommon) {
	id := p.GetMetadata().GetFilterMetadata()[xds.Namespace].GetFields()["call"].GetStringValue()
	x := s.sessions.of(id)
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.logged, x.ended = true, flagsOf(p.GetResponseFlags()).reason()
	x.wake()
}

// attemptEnded hears how an attempt went. Envoy does not say of which call it was, but on which client's connection: of the calls on
// it that attempt something at the entry's cluster it is the one that began nearest to the entry's time.
func (s *Server) attemptEnded(p *datav3.AccessLogCommon) {
	r := flagsOf(p.GetResponseFlags()).reason()
	if r == "" || r == gateway.ReasonClientGone {
		return
	}
	cluster, at := p.GetUpstreamCluster(), p.GetStartTime().AsTime()
	s.log.Debug("attempt failed", "cluster", cluster, "reason", string(r), "error", p.GetUpstreamTransportFailureReason())
	var nearest *session
	var least time.Duration
	for _, x := range s.sessions.on(p.GetCustomTags()[xds.ConnectionTag]) {
		if d, ok := x.expects(cluster, at); ok && (nearest == nil || d < least) {
			nearest, least = x, d
		}
	}
	if nearest == nil {
		return
	}
	nearest.mu.Lock()
	defer nearest.mu.Unlock()
	if len(nearest.reports) < maxReports {
		nearest.reports = append(nearest.reports, report{cluster: cluster, reason: r})
		nearest.wake()
	}
}

// expects reports whether an attempt of x's may be the one that was made at cluster at at, and how far from it.
func (x *session) expects(cluster string, at time.Time) (far time.Duration, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != attempting {
		return 0, false
	}
	names := &x.server.clusters
	if ok = names.of(x.attempt.Backend) == cluster && !x.judged; ok {
		return x.begun.Sub(at).Abs(), true
	}
	for i := x.n - 1; i < len(x.ahead); i++ {
		if names.of(x.ahead[i]) == cluster {
			return x.begun.Sub(at).Abs(), true
		}
	}
	return 0, false
}
