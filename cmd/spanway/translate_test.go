package main

import (
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	conf := "listen: 127.0.0.1:8123\nbackends:\n  a: {provider: openai, url: \"http://127.0.0.1:9\", key: sk-never-told}\n  d: {demo: true}\nroutes: [{name: only, to: a}, {match: {path: /d}, to: d}]\n"
	out, _, err := execute(t, conf, "translate", "--to", "envoy", "--config", "-", "--processor", "unix:/run/p.sock", "--demo", "127.0.0.1:9077")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# (stdin) for Envoy. Its processor: spanway extproc --listen unix:/run/p.sock\n", "static_resources:", "port_value: 8123",
		"name: only", `path: "/run/p.sock"`, "port_value: 9077"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	for _, never := range []string{"sk-never-told", "admin:"} {
		if strings.Contains(out, never) {
			t.Errorf("it holds %q", never)
		}
	}
	if again, _, err := execute(t, conf, "translate", "--to", "envoy", "--config", "-", "--processor", "unix:/run/p.sock", "--demo", "127.0.0.1:9077"); err != nil || again != out {
		t.Errorf("the same configuration is printed otherwise: %v", err)
	}
	if out, _, err := execute(t, "", "translate", "--to", "envoy", "--envoy-admin", "127.0.0.1:9901"); err != nil || !strings.Contains(out, "admin:") || !strings.Contains(out, "# (built-in) for Envoy") {
		t.Errorf("built in: %.300s, %v", out, err)
	}
}

func TestTranslateRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"translate"}, "--to envoy"},
		{[]string{"translate", "--to", "nginx"}, "want ir or envoy"},
		{[]string{"translate", "--to", "envoy", "file.yaml"}, "file.yaml"},
		{[]string{"translate", "--to", "envoy", "--processor", "somewhere"}, "somewhere"},
		{[]string{"translate", "--to", "envoy", "--demo", "no where"}, "no where"},
		{[]string{"translate", "--to", "envoy", "--config", "-"}, "routs"},
	} {
		if _, _, err := execute(t, "routs: []\n", c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}
