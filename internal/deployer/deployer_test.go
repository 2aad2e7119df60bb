package deployer_test

import (
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/deployer"
)

const gateway = `{metadata: {name: edge, namespace: team}, spec: {listeners: [{name: http, protocol: HTTP, port: 8080}]}}`

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, gateway, parameters, want string }{
		{"long name", `{metadata: {name: ` + strings.Repeat("a", 64) + `}}`, `{}`, "rename the Gateway"},
		{"node port", gateway, `{service: {type: ClusterIP, ports: [{port: 8080, nodePort: 30000}]}}`, "port 8080: a nodePort needs type NodePort, not ClusterIP"},
		{"no path", gateway, `{stats: {routePrefixRewrite: "stats"}}`, "stats.routePrefixRewrite"},
		{"empty level", gateway, `{envoyContainer: {bootstrap: {componentLogLevels: {upstream: ""}}}}`, "componentLogLevels"},
	} {
		if _, err := deployer.Render(input(t, []byte(c.gateway), []byte(c.parameters))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestDrainKey: pods of another Gateway have another key, and nothing that others can read has it.
func TestDrainKey(t *testing.T) {
	key := func(uid string) string {
		in := input(t, []byte(`{metadata: {name: edge, namespace: team, uid: `+uid+`}}`), []byte(`{aiExtension: {enabled: true}}`))
		objects, err := deployer.Render(in)
		if err != nil {
			t.Fatal(err)
		}
		text := string(printed(t, objects, []string{"Deployment"}))
		_, after, _ := strings.Cut(text, "- --drain-key\n        - ")
		found, _, _ := strings.Cut(after, "\n")
		if len(found) != 32 || strings.Count(text, found) != 3 {
			t.Errorf("key %q: want it for the processor and in both hooks:\n%s", found, text)
		}
		return found
	}
	if key("a") == key("b") {
		t.Error("Gateways share a key")
	}
}
