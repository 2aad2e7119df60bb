package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/translate"
)

// Gateway is a Gateway of a Set.
type Gateway struct {
	translate.Gateway

	Name string // NAMESPACE/NAME
	// Refused is why there is no configuration; "" = there is one.
	Refused string
}

// Translate makes configurations of s's Gateways, sorted by name. The problems are those of s and of the translation, with their
// places.
func (s *Set) Translate() ([]Gateway, []Problem) {
	out := translate.Translate(&s.Input, translate.Options{Files: true})
	problems := append(slices.Clone(s.Problems), s.Place(out.Problems)...)
	sortProblems(problems)
	var gateways []Gateway
	for _, g := range out.Gateways {
		one := Gateway{Gateway: g, Name: g.Object.Namespace + "/" + g.Object.Name}
		for n, status := range out.Statuses.Gateways {
			if g.IR != nil || n.String() != one.Name {
				continue
			}
			for _, c := range status.Conditions {
				if c.Type == "Accepted" {
					one.Refused = c.Message
				}
			}
		}
		gateways = append(gateways, one)
	}
	return gateways, problems
}

// Pick is the Gateway called name, NAMESPACE/NAME or NAME alone where that is enough; "" is the only one. It has a configuration.
func Pick(gateways []Gateway, name string) (*Gateway, error) {
	var names []string
	var found []*Gateway
	for i := range gateways {
		g := &gateways[i]
		names = append(names, g.Name)
		if name == "" || g.Name == name || strings.HasSuffix(g.Name, "/"+name) {
			found = append(found, g)
		}
	}
	switch {
	case len(gateways) == 0:
		return nil, fmt.Errorf("there is no Gateway that would be served: want an object of kind Gateway with gatewayClassName kgateway, or with a class whose controllerName is %s", translate.ControllerName)
	case len(found) == 0:
		return nil, fmt.Errorf("there is no Gateway %q; there is %s", name, strings.Join(names, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("which Gateway? There are several: --gateway %s", strings.Join(names, ", or --gateway "))
	case found[0].IR == nil:
		return nil, fmt.Errorf("Gateway %s is not accepted: %s", found[0].Name, found[0].Refused)
	}
	return found[0], nil
}

// At is an error of g as a whole, with its place.
func (s *Set) At(g *Gateway, message string) Problem {
	object := translate.Object{Kind: "Gateway", Namespace: g.Object.Namespace, Name: g.Object.Name}
	return s.Place([]translate.Problem{{Object: object, Severity: translate.Error, Message: message}})[0]
}
