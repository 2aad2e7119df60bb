package main

import (
	"fmt"
	"os"
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/xds"
)

// gatewayOf is the configuration that the gateway has in each of its roles: one route, which takes everything.
func gatewayOf(f *roleFlags) (*ir.Gateway, error) {
	conf := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: ""
backends: {up: {provider: openai, url: "http://%s", key: bench}}
routes: [{name: all, match: {path: /}, to: up}]
telemetry: %s
`, f.upstream, telemetryConfig(f))
	return ir.Load("bench", []byte(conf), ir.LoadOptions{Getenv: os.LookupEnv, ReadFile: os.ReadFile, Providers: provider.Names()})
}

// kind says what stands beside an Envoy.
type kind uint8

const (
	alone kind = iota
	beforeNoop
	beforeSpanway
)

// bootstrap is the configuration of an Envoy whose processor, if any, listens on socket. It is Spanway's own, for the same route;
// without Spanway that route leads straight to the backend and nothing is logged, and alone there are no processor's filters.
func bootstrap(k kind, f *roleFlags, socket string) ([]byte, error) {
	g, err := gatewayOf(f)
	if err != nil {
		return nil, err
	}
	r, err := xds.Build(g, xds.Options{Processor: "unix:" + socket})
	if err != nil {
		return nil, err
	}
	if k != beforeSpanway {
		if err := straighten(r, k); err != nil {
			return nil, err
		}
	}
	b, err := xds.Static(r, xds.Boot{})
	if err != nil {
		return nil, err
	}
	return xds.YAML(b)
}

// straighten takes out of r what only Spanway answers to.
func straighten(r *xds.Resources, k kind) error {
	processes := func(f *hcmv3.HttpFilter) bool {
		return f.GetTypedConfig().MessageIs((*extprocfilterv3.ExternalProcessor)(nil))
	}
	backend := ""
	for _, c := range r.Clusters {
		var o httpv3.HttpProtocolOptions
		packed := c.TypedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
		if c.AltStatName != "up" {
			continue
		}
		backend = c.Name
		err := change(packed, &o, func() {
			if k == alone {
				o.HttpFilters = o.HttpFilters[len(o.HttpFilters)-1:] // the codec
			}
		})
		if err != nil {
			return err
		}
	}
	filters := r.Listeners[0].FilterChains[0].Filters
	manager := filters[slices.IndexFunc(filters, func(f *listenerv3.Filter) bool {
		return f.GetTypedConfig().MessageIs((*hcmv3.HttpConnectionManager)(nil))
	})]
	var m hcmv3.HttpConnectionManager
	return change(manager.GetTypedConfig(), &m, func() {
		if k == alone {
			m.HttpFilters = slices.DeleteFunc(m.HttpFilters, processes)
		}
		m.AccessLog = nil
		m.HttpFilters[len(m.HttpFilters)-1].ConfigType.(*hcmv3.HttpFilter_TypedConfig).TypedConfig, _ = anypb.New(&routerv3.Router{SuppressEnvoyHeaders: true})
		v := m.GetRouteConfig().VirtualHosts[0]
		if k == alone {
			v.TypedPerFilterConfig = nil
		}
		v.Matcher = nil
		v.Routes = []*routev3.Route{{Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: backend},
				Timeout: durationpb.New(0)}}}}
	})
}

// change has f change what is packed.
func change(packed *anypb.Any, m proto.Message, f func()) error {
	if err := packed.UnmarshalTo(m); err != nil {
		return err
	}
	f()
	return packed.MarshalFrom(m)
}
