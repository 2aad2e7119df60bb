package extproc

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

// maxPlans bounds the plans that are kept made: routes make few different ones, but where many targets share a group.
const maxPlans = 1024

// plans has the plans of calls in the form that Envoy takes them (envoy.extensions.router.cluster_specifiers.priority_group.v3), which
// is a lot to make of few words. It is safe for concurrent use.
type plans struct {
	mu   sync.RWMutex
	made map[string][]byte // by the clusters' names, in order
}

// of is the plan of a call whose attempts go to first and then to those ahead, as a field of the dynamic metadata. It is not to be
// changed.
func (p *plans) of(names *clusters, first *gateway.Backend, ahead []*gateway.Backend) []byte {
	var buf [256]byte
	key := append(buf[:0], names.of(first)...)
	for _, b := range ahead {
		key = append(append(key, ' '), names.of(b)...)
	}
	p.mu.RLock()
	v := p.made[string(key)]
	p.mu.RUnlock()
	if v != nil {
		return v
	}
	groups := []*structpb.Value{group(names.of(first))}
	for _, b := range ahead {
		groups = append(groups, group(names.of(b)))
	}
	whole := structpb.Struct{Fields: map[string]*structpb.Value{
		xds.Plan: structure("priority_groups", structpb.NewListValue(&structpb.ListValue{Values: groups}))}}
	v, err := proto.Marshal(&whole)
	if err != nil { // the name of a cluster is no text: Envoy knows none such
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.made) >= maxPlans || p.made == nil {
		p.made = map[string][]byte{}
	}
	p.made[string(key)] = v
	return v
}

func group(cluster string) *structpb.Value {
	one := structure("cluster_name", structpb.NewStringValue(cluster))
	one.GetStructValue().Fields["weight"] = structpb.NewNumberValue(1)
	v := structure("clusters", structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{one}}))
	v.GetStructValue().Fields["name"] = structpb.NewStringValue(cluster)
	return v
}

func structure(key string, v *structpb.Value) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{key: v}})
}
