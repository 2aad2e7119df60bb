package envoyplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/spanway/spanway/internal/ir"
)

// places is where the configuration's listeners listen, by name.
type places map[string]place

type place struct {
	asked  string // the address that the configuration has
	addr   net.TCPAddr
	scheme string
}

// find returns the places of g's listeners. Those that ps has already stay where they are. The addresses of others are tried: two
// Envoys of one user could listen at the same one and share its calls, and Envoy does not say which port it got for port 0.
func (ps places) find(ctx context.Context, g *ir.Gateway) (places, error) {
	out := places{}
	for i := range g.Listeners {
		l := &g.Listeners[i]
		p, ok := ps.of(l)
		if !ok {
			var err error
			if p, err = try(ctx, l); err != nil {
				return nil, fmt.Errorf("listener %q: %w", l.Name, err)
			}
		}
		p.scheme = "http"
		if l.TLS != nil {
			p.scheme = "https"
		}
		out[l.Name] = p
	}
	return out, nil
}

// of is the place that l has already, perhaps under another name.
func (ps places) of(l *ir.Listener) (place, bool) {
	if p, ok := ps[l.Name]; ok && p.asked == l.Address {
		return p, true
	}
	for _, p := range ps {
		if _, port, _ := net.SplitHostPort(p.asked); p.asked == l.Address && port != "0" {
			return p, true
		}
	}
	return place{}, false
}

// try opens a listener's address and closes it.
func try(ctx context.Context, l *ir.Listener) (place, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", l.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return place{}, fmt.Errorf("%s is in use: stop what listens there, or configure another address", l.Address)
	} else if err != nil {
		return place{}, err
	}
	defer func() { _ = ln.Close() }()
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return place{}, fmt.Errorf("%s is no address of TCP", l.Address)
	}
	return place{asked: l.Address, addr: *addr}, nil
}

// told are the addresses that Envoy is told, by the listeners' names.
func (ps places) told() map[string]string {
	out := map[string]string{}
	for name, p := range ps {
		host, _, _ := net.SplitHostPort(p.asked) // it was listened on
		out[name] = net.JoinHostPort(host, strconv.Itoa(p.addr.Port))
	}
	return out
}

// urls are where clients reach the listeners, sorted.
func (ps places) urls() []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.scheme+"://"+p.addr.String())
	}
	slices.Sort(out)
	return out
}
