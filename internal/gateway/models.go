package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spanway/spanway/internal/dialect/openai"
	"github.com/spanway/spanway/internal/llm"
)

// models answers the list of models where the configuration, not one provider, says what they are: where the model decides
// about the route, or a route has several targets or names of its own.
func (c *Call) models() *Reply {
	h := &c.llm.Head
	if c.api != "" || c.route.plain || h.Method != http.MethodGet || !strings.HasSuffix(h.Path, "/models") {
		return nil
	}
	routes := c.routes
	if len(c.route.match.models) == 0 {
		if c.route.listsItself() {
			return nil
		}
		routes = []*Route{c.route}
	}
	var ids []string
	for _, r := range routes {
		ids = r.modelIDs(ids)
	}
	if len(ids) == 0 {
		return nil
	}
	c.llm.Route = c.route.Name
	c.outcome = OutcomeOK
	return c.reply(http.StatusOK, openai.ModelsList(ids))
}

// listsItself reports whether r's only provider can be asked: it speaks OpenAI's formats, or Mistral's, whose list has the same
// form, and clients use its own names.
func (r *Route) listsItself() bool {
	first := &r.groups[0][0]
	_, native := first.backend.provider.Endpoint(llm.OpenAI)
	if !native {
		_, native = first.backend.provider.Endpoint(llm.Mistral)
	}
	conf := &first.backend.conf
	return native && r.targets == 1 && first.model == "" && conf.Model == "" && len(conf.Models) == 0
}

// modelIDs appends to ids the models that r's configuration names and that r takes, each once.
func (r *Route) modelIDs(ids []string) []string {
	add := func(id string) {
		if id != "" && !strings.Contains(id, "*") && r.match.model(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, m := range r.match.models {
		add(m)
	}
	for _, g := range r.groups {
		for i := range g {
			add(g[i].modelFor(""))
			for _, alias := range slices.Sorted(maps.Keys(g[i].backend.conf.Models)) {
				add(alias)
			}
		}
	}
	return ids
}
