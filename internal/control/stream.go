package control

import (
	"context"
	"strings"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// The stream of configurations: docs/control.md. Its messages are google.protobuf.Struct both ways.
const (
	serviceName = "spanway.control.v1.Configuration"
	streamName  = "Watch"
	method      = "/" + serviceName + "/" + streamName
)

// Fields of the messages.
const (
	fieldGateway = "gateway" // sidecar's first: NAMESPACE/NAME
	fieldPod     = "pod"     // likewise: the pod's name
	fieldRunning = "running" // likewise: the version that new calls begin with, absent when it has none
	fieldQuiet   = "quiet"   // sidecar: the version that alone is in use
	fieldApplied = "applied" // sidecar: the version that new calls begin with from now on
	fieldRefused = "refused" // sidecar: the version that it does not take
	fieldReason  = "reason"  // beside refused
	fieldVersion = "version" // of ir
	fieldIR      = "ir"      // a configuration, as ir.Encode writes it
	fieldAsk     = "ask"     // server: "ir" asks for the one that the sidecar runs
)

// maxReason bounds why a sidecar refuses, bytes.
const maxReason = 4096

// fields are a message of names and values in turn.
func fields(name string, v *structpb.Value, more ...any) *structpb.Struct {
	m := &structpb.Struct{Fields: map[string]*structpb.Value{name: v}}
	for i := 0; i+1 < len(more); i += 2 {
		name, ok := more[i].(string)
		value, is := more[i+1].(*structpb.Value)
		if ok && is {
			m.Fields[name] = value
		}
	}
	return m
}

// text is the value of a field; "" = it has none.
func text(m *structpb.Struct, name string) string { return m.GetFields()[name].GetStringValue() }

func (s *Server) service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil), Metadata: "docs/control.md", Streams: []grpc.StreamDesc{{
		StreamName: streamName, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error { return s.watch(stream) }}}}
}

// StreamAggregatedResources implements Envoy's aggregated discovery service: the stream is that of a pod of the caller's Gateway.
func (s *Server) StreamAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	id := identityOf(stream.Context())
	role := first.GetNode().GetMetadata().GetFields()[xds.RoleField].GetStringValue()
	if role != xds.Role(id.Namespace, id.Name) {
		return s.denied("node metadata role %q is not that of the service account %s/%s", role, id.Namespace, id.Name)
	}
	name := strings.TrimSuffix(first.GetNode().GetId(), "."+id.Namespace)
	if id.Pod != "" && name != id.Pod {
		return s.denied("node %q is not the pod %q of the token", first.GetNode().GetId(), id.Pod)
	}
	p, leave := s.join(place{id.Namespace, id.Name}, name)
	defer leave()
	return p.xds.Stream(&begun{AggregatedDiscoveryService_StreamAggregatedResourcesServer: stream, first: first})
}

// denied refuses a stream of somebody who is known.
func (s *Server) denied(format string, args ...any) error {
	s.mu.Lock()
	s.counts.Denied++
	s.mu.Unlock()
	return status.Errorf(codes.PermissionDenied, format, args...)
}

// begun is a stream whose first message was read.
type begun struct {
	discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer

	first *discoveryv3.DiscoveryRequest
}

// Recv implements the stream; it is called by one goroutine.
func (b *begun) Recv() (*discoveryv3.DiscoveryRequest, error) {
	if m := b.first; m != nil {
		b.first = nil
		return m, nil
	}
	return b.AggregatedDiscoveryService_StreamAggregatedResourcesServer.Recv()
}

// watch serves a sidecar.
func (s *Server) watch(stream grpc.ServerStream) error {
	hello := &structpb.Struct{}
	if err := stream.RecvMsg(hello); err != nil {
		return err
	}
	id := identityOf(stream.Context())
	if g := text(hello, fieldGateway); g != id.Namespace+"/"+id.Name {
		return s.denied("gateway %q is not that of the service account %s/%s", g, id.Namespace, id.Name)
	}
	name := text(hello, fieldPod)
	if id.Pod != "" && name != id.Pod {
		return s.denied("pod %q is not the pod %q of the token", name, id.Pod)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	side := &sidecar{out: make(chan *structpb.Struct, maxOut), cancel: cancel, running: text(hello, fieldRunning)}
	side.quiet = text(hello, fieldQuiet) == side.running
	p, leave := s.join(place{id.Namespace, id.Name}, name)
	defer leave()
	p.attach(side)
	defer p.detach(side)
	s.wg.Go(func() {
		defer cancel()
		for {
			m := &structpb.Struct{}
			if stream.RecvMsg(m) != nil || !p.hear(side, m) {
				return
			}
		}
	})
	for {
		select {
		case m := <-side.out:
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		case <-ctx.Done():
			return status.Error(codes.Unavailable, "the stream is over")
		case <-s.base.Done():
			return status.Error(codes.Unavailable, "the server ends")
		}
	}
}

// attach makes side the pod's, in place of an older one.
func (p *pod) attach(side *sidecar) {
	p.server.mu.Lock()
	if p.sidecar != nil {
		p.sidecar.cancel()
	}
	p.sidecar = side
	p.server.mu.Unlock()
	signal(p.poke)
	signal(p.server.changed)
}

// detach takes side away, unless another has come in its place.
func (p *pod) detach(side *sidecar) {
	p.server.mu.Lock()
	if p.sidecar == side {
		p.sidecar, p.lost = nil, time.Now()
	}
	p.server.mu.Unlock()
	signal(p.poke)
}

// hear reads what a sidecar says, and reports whether it can be understood.
func (p *pod) hear(side *sidecar, m *structpb.Struct) bool {
	var runs *ir.Gateway
	if told := text(m, fieldIR); told != "" {
		var err error
		if runs, err = ir.Decode([]byte(told)); err != nil {
			p.log.Warn("a sidecar does not say what it runs", "error", err)
			return false
		}
	}
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if runs != nil {
		side.runs = runs
	}
	if v := text(m, fieldApplied); v != "" {
		side.running, side.quiet, side.sent, side.refused = v, false, time.Time{}, ""
	}
	if v := text(m, fieldRefused); v != "" {
		side.refused, side.sent = v, time.Time{}
		if p.sidecar == side && p.plane.want != nil && p.plane.want.name == v {
			p.refused = "sidecar: " + text(m, fieldReason)[:min(len(text(m, fieldReason)), maxReason)]
			s.counts.Refusals++
		}
	}
	if v := text(m, fieldQuiet); v != "" && v == side.running {
		side.quiet = true
	}
	signal(p.poke)
	signal(s.changed)
	return true
}
