package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// plane is the data plane of a Gateway: its pods. Its fields are guarded by the server's mu.
type plane struct {
	at    place
	want  *version   // nil = nothing was published
	known []*version // want and the ones before, newest last
	fault string     // why what was published last could not be prepared; "" = it was
	pods  map[string]*pod
}

// maxKnown bounds what is kept of a Gateway's past: a sidecar that runs something older is asked for it.
const maxKnown = 4

// version is a configuration, ready to be told.
type version struct {
	name      string // the same for the same configuration, whichever server made it
	message   *structpb.Struct
	resources *xds.Resources
	processor bool
	at        time.Time // when it was published
}

// nameOf is the name of an encoded configuration.
func nameOf(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}

// build makes what Envoy is told of g.
func (s *Server) build(g *ir.Gateway, processor bool) (*xds.Resources, error) {
	o := xds.Options{Roots: s.o.Roots, ADS: true}
	if processor {
		o.Processor = s.o.Processor
	}
	return xds.Build(g, o)
}

// renew makes g what its pods get, and reports whether that has changed.
func (s *Server) renew(g *Gateway) bool {
	if g.IR == nil {
		return false
	}
	at := place{g.Namespace, g.Name}
	v, err := s.version(at, g)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.plane(at)
	before := p.fault
	p.fault = ""
	if err != nil {
		if p.fault = err.Error(); p.fault != before {
			s.o.Log.Error("a configuration cannot be told", "gateway", at.String(), "error", err)
		}
	}
	if v == nil {
		return p.fault != before
	}
	s.counts.Publications++
	p.want = v
	p.known = append(slices.DeleteFunc(p.known, func(k *version) bool { return k.name == v.name }), v)
	if len(p.known) > maxKnown {
		p.known = slices.Delete(p.known, 0, len(p.known)-maxKnown)
	}
	for _, pod := range p.pods {
		pod.current, pod.refused = false, ""
		signal(pod.poke)
	}
	return true
}

// version prepares g; nil when its pods get it already.
func (s *Server) version(at place, g *Gateway) (*version, error) {
	encoded, err := ir.Encode(g.IR)
	if err != nil {
		return nil, err
	}
	name := nameOf(encoded)
	s.mu.Lock()
	p := s.planes[at]
	same := p != nil && p.want != nil && p.want.name == name && p.want.processor == g.Processor
	s.mu.Unlock()
	if same {
		return nil, nil //nolint:nilnil // documented
	}
	if s.o.Check != nil && g.Processor {
		if err := s.o.Check(g.IR); err != nil {
			return nil, err
		}
	}
	r, err := s.build(g.IR, g.Processor)
	if err != nil {
		return nil, err
	}
	return &version{name: name, resources: r, processor: g.Processor, at: time.Now(),
		message: fields(fieldVersion, structpb.NewStringValue(name), fieldIR, structpb.NewStringValue(string(encoded)))}, nil
}

// plane finds a Gateway's data plane, or makes it. It is called with mu held.
func (s *Server) plane(at place) *plane {
	p := s.planes[at]
	if p == nil {
		p = &plane{at: at, pods: map[string]*pod{}}
		s.planes[at] = p
	}
	return p
}

// forget takes Gateways away that are not there any more, and reports whether there were any. Their pods keep what they have.
func (s *Server) forget(there map[place]bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.planes {
		if there[at] {
			continue
		}
		changed = changed || p.want != nil || p.fault != ""
		p.want, p.known, p.fault = nil, nil, ""
		if len(p.pods) == 0 {
			delete(s.planes, at)
		}
	}
	return changed
}

// state is how far the pods are. It is called with mu held.
func (p *plane) state() State {
	out := State{Refused: p.fault}
	for _, name := range slices.Sorted(maps.Keys(p.pods)) { // so that the same pod is named each time
		pod := p.pods[name]
		n, _ := pod.xds.Streams()
		out.Envoys += n
		if pod.sidecar != nil {
			out.Sidecars++
		}
		if pod.current {
			out.Current++
		}
		if out.Refused == "" && pod.refused != "" {
			out.Refused = fmt.Sprintf("pod %s: %s", pod.name, pod.refused)
		}
	}
	return out
}

// version is the known one of a name; nil = it is not known. It is called with mu held.
func (p *plane) version(name string) *version {
	for _, v := range p.known {
		if v.name == name {
			return v
		}
	}
	return nil
}

// join finds a pod, or begins it, for one of its streams, which calls leave at its end.
func (s *Server) join(at place, name string) (p *pod, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plane := s.plane(at)
	p = plane.pods[name]
	if p == nil {
		p = newPod(s, plane, name)
		plane.pods[name] = p
		ctx, cancel := context.WithCancel(s.base)
		p.end = cancel
		s.wg.Go(func() { p.run(ctx) })
	}
	p.streams++
	return p, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		defer signal(s.changed)
		if p.streams--; p.streams > 0 {
			return
		}
		p.end()
		delete(plane.pods, name)
		if len(plane.pods) == 0 && plane.want == nil {
			delete(s.planes, at)
		}
	}
}

// String is as kubectl writes it.
func (p place) String() string { return p.namespace + "/" + p.name }
