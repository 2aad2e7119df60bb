package translate

import (
	"k8s.io/apimachinery/pkg/types"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// plane is the data plane of a Gateway while it is made.
type plane struct {
	object     *gwv1.Gateway
	class      *gwv1.GatewayClass // nil = one that is taken for granted
	name       types.NamespacedName
	listeners  []*listener // in the order of the Gateway's
	parameters *v1alpha1.KubeParameters
	fault      string // why the parameters are none
	ir         *ir.Gateway
	backends   map[string]bool // names of those in ir
}

// listener is a listener of a Gateway while it is made.
type listener struct {
	spec *gwv1.Listener
	ir   string // name of the ir.Listener that it is part of; "" = it is not served
}

// attached is an HTTPRoute with the listeners of ours that it is attached to.
type attached struct {
	object *gwv1.HTTPRoute
}

// destination is what a backendRef leads to.
type destination struct{}
