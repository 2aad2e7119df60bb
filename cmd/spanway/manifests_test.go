package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// objects are manifests of a Gateway on port, whose route leads to url with a key of the environment.
func objects(gateway string, port int, provider, prefix string) string {
	host, providerPort, _ := net.SplitHostPort(strings.TrimPrefix(provider, "http://"))
	return fmt.Sprintf(`apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: %[1]s, namespace: infra}
spec:
  gatewayClassName: kgateway
  listeners: [{name: http, port: %[2]d, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %[1]s, namespace: infra}
spec:
  parentRefs: [{name: %[1]s}]
  rules:
  - matches: [{path: {type: PathPrefix, value: %[5]s}}]
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: llm}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: llm, namespace: infra}
spec:
  type: AI
  ai:
    llm:
      openai: {authToken: {kind: SecretRef, secretRef: {name: key}}}
      host: %[3]s
      port: %[4]s
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: infra}
stringData: {Authorization: "Bearer one"}
`, gateway, port, host, providerPort, prefix)
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestRunManifests: a folder of manifests is served, by both planes; what is mended and what is added while it runs is, too.
func TestRunManifests(t *testing.T) {
	for _, plane := range []string{nativePlane, envoyPlane} {
		t.Run(plane, func(t *testing.T) {
			provider, port, dir := newKeyed(t), freePort(t), t.TempDir()
			file := filepath.Join(dir, "gateway.yaml")
			write(t, file, objects("gw", port, provider.URL, "/ollama"))
			p := start(t, "run", "-q", "--admin", "off", "--data-plane", plane, "--manifests", dir)
			p.expect(t, "config   "+dir)
			c, url := client(t), fmt.Sprintf("http://127.0.0.1:%d", port)
			if a := ask(t.Context(), c, url+"/ollama", hello); a.status != 200 || provider.count("one") != 1 {
				t.Fatalf("%+v, keys %v", a, provider.keys)
			}
			write(t, file, objects("gw", port, provider.URL, "/other"))
			until(t, "the changed route is there", func() bool { return ask(t.Context(), c, url+"/other", hello).status == 200 })
			write(t, filepath.Join(dir, "route.yaml"), `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: more, namespace: infra}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {value: /more}}]
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: llm}]
`)
			until(t, "the new file's route is there", func() bool { return ask(t.Context(), c, url+"/more", hello).status == 200 })
			write(t, filepath.Join(dir, "route.yaml"), "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: more}\nspec: {rules: none}\n")
			p.expect(t, "configuration refused, the old one goes on")
			p.expect(t, `route.yaml:4:15: HTTPRoute default/more: spec.rules: `)
			if a := ask(t.Context(), c, url+"/more", hello); a.status != 200 {
				t.Errorf("after manifests that were refused: %+v", a)
			}
		})
	}
}

func TestRunManifestsRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), objects("a", 8081, "http://192.0.2.1:80", "/")+"---\n"+objects("b", 8082, "http://192.0.2.1:80", "/"))
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	write(t, empty, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--manifests", dir}, "which Gateway? There are several: --gateway infra/a, or --gateway infra/b"},
		{[]string{"run", "--manifests", dir, "--gateway", "c"}, `there is no Gateway "c"; there is infra/a, infra/b`},
		{[]string{"run", "--manifests", empty}, "want an object of kind Gateway"},
		{[]string{"run", "--manifests", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"run", "--gateway", "infra/a"}, "--gateway needs --manifests"},
		{[]string{"run", "--manifests", dir, "--config", "spanway.yaml"}, "none of the others can be"},
		{[]string{"translate", dir, "--to", "envoy"}, "which Gateway?"},
		{[]string{"translate", "--gateway", "a", "--to", "ir"}, "spanway translate FOLDER"},
		{[]string{"translate", dir, "--config", "a.yaml"}, "not both"},
		{[]string{"translate", dir, empty}, "one folder or file"},
		{[]string{"translate", filepath.Join(dir, "none")}, "no such file"},
	} {
		if _, _, err := execute(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

func TestTranslateManifests(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), objects("a", 8081, "http://192.0.2.1:80", "/")+"---\n"+objects("b", 8082, "http://192.0.2.1:80", "/"))
	out, errs, err := execute(t, "", "translate", dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Gateway infra/a of " + dir, "# Gateway infra/b of " + dir, "address: 0.0.0.0:8081", "backend: infra/llm", "value: '[redacted]'"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(out+errs, "one\n") || !strings.Contains(errs, "a.yaml:51:18: warning: Backend infra/llm: metadata.name: is defined in ") {
		t.Errorf("it tells a secret, or no problem: %s", errs)
	}
	if out, _, err := execute(t, "", "translate", dir, "--gateway", "b"); err != nil || strings.Contains(out, "8081") {
		t.Errorf("one Gateway: %v, %s", err, out)
	}
	out, _, err = execute(t, "", "translate", dir, "--gateway", "infra/b", "--to", "envoy")
	if err != nil || !strings.Contains(out, "port_value: 8082") || strings.Contains(out, "Bearer") {
		t.Errorf("for Envoy: %v, %.300s", err, out)
	}
	if out, _, err := execute(t, "listen: 127.0.0.1:8099\n", "translate", "--to", "ir", "--config", "-"); err != nil || !strings.Contains(out, "address: 127.0.0.1:8099") {
		t.Errorf("a native file: %v, %s", err, out)
	}
}

func TestValidateManifests(t *testing.T) {
	dir := t.TempDir()
	good, native := filepath.Join(dir, "good.yaml"), filepath.Join(t.TempDir(), "spanway.yaml")
	write(t, good, objects("gw", 8080, "http://192.0.2.1:80", "/"))
	write(t, native, "listen: 127.0.0.1:0\n")
	if out, errs, err := execute(t, "", "validate", dir, native); err != nil || errs != "" || !strings.Contains(out, dir+": 1 file, 1 Gateway: ok") || !strings.Contains(out, "spanway.yaml: ok") {
		t.Errorf("good: %q, %q, %v", out, errs, err)
	}
	write(t, filepath.Join(dir, "policy.yaml"), `apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: p, namespace: infra}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: gw}]
  transformation: {}
  timeouts: {requst: 1s}
`)
	_, errs, err := execute(t, "", "validate", dir)
	if err != nil {
		t.Errorf("what is unsupported or odd is no error: %v", err)
	}
	for _, want := range []string{"policy.yaml:6:3: unsupported: TrafficPolicy infra/p: spec.transformation: ", "policy.yaml:7:22: warning: TrafficPolicy infra/p: spec.timeouts.requst: unknown field"} {
		if !strings.Contains(errs, want) {
			t.Errorf("problems lack %q:\n%s", want, errs)
		}
	}
	if _, _, err := execute(t, "", "validate", "--strict", dir); err == nil || !strings.Contains(err.Error(), "2 problems, and --strict") {
		t.Errorf("strict: %v", err)
	}
	write(t, good, strings.ReplaceAll(objects("gw", 8080, "http://192.0.2.1:80", "/"), "name: key}}", "name: kye}}"))
	if _, errs, err = execute(t, "", "validate", dir); err != nil || !strings.Contains(errs, `good.yaml:24:45: warning: Backend infra/llm: spec.ai.llm.openai.authToken.secretRef: not among these files: there is no Secret "kye"`) {
		t.Errorf("what is not there may be elsewhere: %v\n%s", err, errs)
	}
	write(t, good, strings.ReplaceAll(objects("gw", 8080, "http://192.0.2.1:80", "/"), "host: 192", "host: https://192"))
	_, errs, err = execute(t, "", "validate", dir)
	if err == nil || !strings.Contains(err.Error(), "2 files, 1 Gateway, 1 error") || !strings.Contains(errs, "good.yaml:25:13: Backend infra/llm: spec.ai.llm.host: ") {
		t.Errorf("bad: %v\n%s", err, errs)
	}
}
