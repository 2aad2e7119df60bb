//go:build linux

package node

import (
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// domain is the cluster's (Kubernetes DNS-Based Service Discovery 1.1.0).
const domain = "cluster.local."

// nameTTL is how long a name may be kept, seconds.
const nameTTL = 5

// serveDNS answers for the names of Services.
func (n *Node) serveDNS() error {
	conn, err := net.ListenPacket("udp", dnsIP+":53") //nolint:noctx // a name is not looked up
	if err != nil {
		return err
	}
	n.running.Go(func() { <-n.ctx.Done(); _ = conn.Close() })
	n.running.Go(func() {
		buf := make([]byte, 4096)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := n.reply(buf[:size]); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	})
	return nil
}

// reply answers a question; nil if it is none.
func (n *Node) reply(question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	addresses, alias, known := n.lookup(strings.ToLower(q.Name.String()))
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: nameTTL}
	if alias != "" {
		if name, err := dnsmessage.NewName(alias); err == nil {
			msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: name}})
		}
	}
	if !known {
		msg.RCode = dnsmessage.RCodeNameError
	}
	if q.Type == dnsmessage.TypeA {
		for _, a := range addresses {
			if ip, err := netip.ParseAddr(a); err == nil && ip.Is4() {
				msg.Answers = append(msg.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}})
			}
		}
	}
	out, err := msg.Pack()
	if err != nil {
		return nil
	}
	return out
}

// lookup is what a name with its final dot stands for: addresses, or another name.
func (n *Node) lookup(name string) (addresses []string, alias string, known bool) {
	rest, ok := strings.CutSuffix(name, ".svc."+domain)
	if !ok {
		return nil, "", strings.HasSuffix("."+domain, "."+name)
	}
	part := strings.Split(rest, ".")
	if len(part) < 2 {
		return nil, "", true
	}
	key := client.ObjectKey{Namespace: part[len(part)-1], Name: part[len(part)-2]}
	var s corev1.Service
	if err := n.cache.Get(n.ctx, key, &s); err != nil {
		return nil, "", false
	}
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, strings.TrimSuffix(s.Spec.ExternalName, ".") + ".", true
	case s.Spec.ClusterIP != corev1.ClusterIPNone:
		return []string{s.Spec.ClusterIP}, "", true
	}
	for _, slice := range n.slices(key) {
		for _, e := range slice.Endpoints {
			if ready(&e) {
				addresses = append(addresses, e.Addresses...)
			}
		}
	}
	return addresses, "", true
}

// slices are the endpoints of a Service.
func (n *Node) slices(of client.ObjectKey) []discoveryv1.EndpointSlice {
	var list discoveryv1.EndpointSliceList
	if err := n.cache.List(n.ctx, &list, client.InNamespace(of.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: of.Name}); err != nil {
		n.complain("list endpoints", err)
	}
	return list.Items
}

func ready(e *discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }
