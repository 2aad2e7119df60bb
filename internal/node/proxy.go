//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Bounds of connecting to an endpoint.
const (
	dialPatience = 3 * time.Second
	dialTries    = 3
)

// proxy is what kube-proxy and a load balancer are to Services: their addresses lead to pods that are ready.
type proxy struct {
	node  *Node
	doors map[string]*door     // by address; the loop's
	given map[types.UID]string // addresses of the load balancer
}

// door is an address of a Service.
type door struct {
	listener net.Listener
	service  client.ObjectKey
	port     atomic.Pointer[string] // its name
	next     atomic.Uint32
}

func newProxy(n *Node) *proxy {
	return &proxy{node: n, doors: map[string]*door{}, given: map[types.UID]string{}}
}

// look opens and closes doors as Services come and go.
func (p *proxy) look() {
	var list corev1.ServiceList
	if err := p.node.cache.List(p.node.ctx, &list); err != nil {
		p.node.complain("list services", err)
		return
	}
	wanted := map[string]bool{}
	for i := range list.Items {
		s := &list.Items[i]
		balancer := p.balance(s)
		for _, port := range s.Spec.Ports {
			if port.Protocol != corev1.ProtocolTCP && port.Protocol != "" {
				continue
			}
			for _, a := range addresses(s, &port, balancer) {
				wanted[a] = true
				p.open(a, client.ObjectKeyFromObject(s), port.Name)
			}
		}
	}
	for a, d := range p.doors {
		if !wanted[a] {
			_ = d.listener.Close()
			delete(p.doors, a)
		}
	}
}

// addresses are those of one port of a Service.
func addresses(s *corev1.Service, port *corev1.ServicePort, balancer string) []string {
	var out []string
	number := strconv.Itoa(int(port.Port))
	if s.Spec.ClusterIP != "" && s.Spec.ClusterIP != corev1.ClusterIPNone {
		out = append(out, net.JoinHostPort(s.Spec.ClusterIP, number))
	}
	if balancer != "" {
		out = append(out, net.JoinHostPort(balancer, number))
	}
	if port.NodePort != 0 {
		out = append(out, net.JoinHostPort(hostIP, strconv.Itoa(int(port.NodePort))))
	}
	return out
}

// balance is the address that the load balancer gave to a Service; "" = it asks for none.
func (p *proxy) balance(s *corev1.Service) string {
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return ""
	}
	if in := s.Status.LoadBalancer.Ingress; len(in) > 0 {
		return in[0].IP
	}
	a, asked := p.given[s.UID]
	if asked {
		return a
	}
	number := len(p.given) + 1
	a = fmt.Sprintf("10.97.%d.%d", number>>8, number&0xff)
	p.given[s.UID] = a
	status := &corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: a}}}}
	if err := p.node.patchStatus(s.DeepCopy(), status); err != nil {
		p.node.complain("status of service "+s.Name, err)
	}
	return a
}

func (p *proxy) open(address string, service client.ObjectKey, port string) {
	d := p.doors[address]
	if d != nil && d.service == service {
		d.port.Store(&port)
		return
	}
	if d != nil {
		_ = d.listener.Close()
	}
	ln, err := net.Listen("tcp", address) //nolint:noctx // a name is not looked up
	if err != nil {
		p.node.complain("service "+service.String(), err)
		return
	}
	d = &door{listener: ln, service: service}
	d.port.Store(&port)
	p.doors[address] = d
	stop := context.AfterFunc(p.node.ctx, func() { _ = ln.Close() })
	p.node.running.Go(func() {
		defer stop()
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.node.running.Go(func() { p.node.forward(d, conn.(*net.TCPConn)) })
		}
	})
}

// forward carries a connection to a pod. Without one that is ready the connection is refused.
func (n *Node) forward(d *door, conn *net.TCPConn) {
	defer func() { _ = conn.Close() }()
	to, err := n.dial(d)
	if err != nil {
		_ = conn.SetLinger(0)
		return
	}
	defer func() { _ = to.Close() }()
	stop := context.AfterFunc(n.ctx, func() { _, _ = conn.Close(), to.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { pour(to, conn) })
	both.Go(func() { pour(conn, to) })
	both.Wait()
}

// pour carries what comes from one side to the other, and its end, too.
func pour(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

// dial connects to the next endpoint that is ready.
func (n *Node) dial(d *door) (*net.TCPConn, error) {
	err := errors.New("no endpoint is ready")
	for range dialTries {
		var all []string
		for _, s := range n.slices(d.service) {
			for _, port := range s.Ports {
				if port.Name != nil && *port.Name != *d.port.Load() || port.Port == nil {
					continue
				}
				for _, e := range s.Endpoints {
					if ready(&e) {
						all = append(all, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*port.Port))))
					}
				}
			}
		}
		if len(all) == 0 {
			return nil, err
		}
		dialer := net.Dialer{Timeout: dialPatience}
		var conn net.Conn
		if conn, err = dialer.DialContext(n.ctx, "tcp", all[int(d.next.Add(1))%len(all)]); err == nil {
			return conn.(*net.TCPConn), nil
		}
	}
	return nil, err
}
