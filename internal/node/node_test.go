//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/cluster"
)

var world = World{Images: images, Hosts: []string{"192.168.1.100"}}

func TestMain(m *testing.M) { os.Exit(world.Main(m)) }

// images builds the program that containers run.
func images(dir string) (map[string]Image, error) {
	program := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-o", program, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return map[string]Image{"probe": {Entrypoint: []string{"/probe"}, Files: map[string]string{"/probe": program}}}, nil
}

const deployment = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
data: {colour: red, shape: round}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: NS}
stringData: {key: s3cret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {note: hello}}
    spec:
      terminationGracePeriodSeconds: 20
      securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}], fsGroup: 3000}
      containers:
      - name: web
        image: registry.example.com/tools/probe:v1
        args: ["$(COLOUR)-$(MISSING)", "$$(COLOUR)"]
        env:
        - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
        - {name: KEY, valueFrom: {secretKeyRef: {name: key, key: key}}}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: PORT, value: "80"}
        ports: [{name: http, containerPort: 80}]
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
        lifecycle: {preStop: {httpGet: {path: /drain, port: http}}}
        securityContext: {runAsNonRoot: true, runAsUser: 10101, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: &mounts
        - {name: settings, mountPath: /etc/settings}
        - {name: scratch, mountPath: /scratch}
        - {name: token, mountPath: /var/run/secrets/spanway}
      - name: beside
        image: probe
        env: [{name: PORT, value: "8081"}]
        volumeMounts: *mounts
      volumes:
      - {name: settings, configMap: {name: settings}}
      - {name: scratch, emptyDir: {}}
      - name: token
        projected:
          sources:
          - serviceAccountToken: {path: token, audience: spanway, expirationSeconds: 3600}
          - downwardAPI: {items: [{path: note, fieldRef: {fieldPath: "metadata.annotations['note']"}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
  - {name: http, port: 8080, targetPort: http}
  - {name: beside, port: 8081}
`

// running applies the deployment in a namespace of the test's, and waits until it is there.
func running(t *testing.T) (n *Node, ns string) {
	t.Helper()
	n = world.Start(t)
	ns = n.Namespace(t, "node")
	n.Apply(t, strings.ReplaceAll(deployment, "NS", ns))
	t.Cleanup(func() { n.Delete(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}") })
	cluster.Eventually(t, func() error { return available(t, n, ns, 2) })
	return n, ns
}

func available(t *testing.T, n *Node, ns string, want int32) error {
	t.Helper()
	var d appsv1.Deployment
	if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "web"}, &d); err != nil {
		return err
	}
	if s := d.Status; s.AvailableReplicas != want || s.UpdatedReplicas != want || s.Replicas != want || s.ObservedGeneration != d.Generation {
		return fmt.Errorf("the deployment has the status %+v", s)
	}
	return nil
}

// get is the answer of a container.
func get(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

func must(t *testing.T, url string) string {
	t.Helper()
	text, err := get(t, url)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// address is where the load balancer has the Service.
func address(t *testing.T, n *Node, ns string) string {
	t.Helper()
	var s corev1.Service
	cluster.Eventually(t, func() error {
		if err := n.Client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "web"}, &s); err != nil {
			return err
		}
		if len(s.Status.LoadBalancer.Ingress) == 0 {
			return errors.New("the service has no address")
		}
		return nil
	})
	return "http://" + s.Status.LoadBalancer.Ingress[0].IP
}

func pods(t *testing.T, n *Node, ns string) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	if err := n.Client.List(t.Context(), &list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// TestContainer shows what a container sees.
func TestContainer(t *testing.T) {
	n, ns := running(t)
	p := pods(t, n, ns)[0]
	var s struct {
		UID          int
		Groups       []string
		Capabilities string
		Host         string
		IPs          []string
		Env          []string
		Root         []string
	}
	if err := json.Unmarshal([]byte(must(t, "http://"+p.Status.PodIP+"/sight")), &s); err != nil {
		t.Fatal(err)
	}
	if s.UID != 10101 || s.Capabilities != "0000000000000000" || s.Host != p.Name || !slices.Contains(s.IPs, p.Status.PodIP+"/16") {
		t.Errorf("it is %+v", s)
	}
	if !slices.Equal(s.Groups, []string{"red-$(MISSING)", "$(COLOUR)"}) {
		t.Errorf("arguments %q", s.Groups)
	}
	for _, e := range []string{"COLOUR=red", "KEY=s3cret", "POD=" + p.Name, "IP=" + p.Status.PodIP} {
		if !slices.Contains(s.Env, e) {
			t.Errorf("no %s in %q", e, s.Env)
		}
	}
	if want := []string{"dev", "etc", "probe", "proc", "scratch", "tmp", "var"}; !slices.Equal(s.Root, want) {
		t.Errorf("the root has %q", s.Root)
	}
	at := "http://" + p.Status.PodIP
	for _, file := range []string{"/x", "/tmp/x", "/etc/settings/x", "/var/run/secrets/spanway/token"} {
		if _, err := get(t, at+"/write?"+file); err == nil || !strings.Contains(err.Error(), "read-only file system") && !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("write %s: %v", file, err)
		}
	}
	must(t, at+"/write?/scratch/x")
	if got := must(t, at+":8081/read?/scratch/x"); got != "written" {
		t.Errorf("the other container reads %q", got)
	}
	if got := must(t, at+"/read?/var/run/secrets/spanway/note"); got != "hello" {
		t.Errorf("note %q", got)
	}
	if got := must(t, at+"/read?/var/run/secrets/spanway/token"); strings.Count(got, ".") != 2 {
		t.Errorf("token %q", got)
	}
	if got := must(t, at+"/get?http://web:8080/read?/etc/settings/colour"); got != "red" {
		t.Errorf("by the service's name: %q", got)
	}
	if got := must(t, at+"/get?http://web."+ns+".svc.cluster.local:8081/read?/etc/settings/shape"); got != "round" {
		t.Errorf("by the service's full name: %q", got)
	}
	if _, err := get(t, at+"/get?http://nobody:8080/"); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("a name that nobody has: %v", err)
	}
}

// TestService shows that a Service leads to the pods that are ready, and how volumes follow their ConfigMaps.
func TestService(t *testing.T) {
	n, ns := running(t)
	at := address(t, n, ns)
	all := pods(t, n, ns)
	must(t, "http://"+all[0].Status.PodIP+"/set-ready?no")
	cluster.Eventually(t, func() error {
		for range 8 {
			if got, err := get(t, at+":8080/sight"); err != nil || strings.Contains(got, `"host":"`+all[0].Name) {
				return fmt.Errorf("a pod that is not ready is asked: %w", err)
			}
		}
		return nil
	})
	must(t, "http://"+all[0].Status.PodIP+"/set-ready?yes")
	n.Apply(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: "+ns+"}, data: {colour: green, shape: round}}")
	cluster.Eventually(t, func() error {
		if got := must(t, "http://"+all[1].Status.PodIP+"/read?/etc/settings/colour"); got != "green" {
			return fmt.Errorf("the colour is %q", got)
		}
		return nil
	})
}

// TestLife ends a container, which is started again; changes the deployment, whose pods are replaced in peace; and deletes it.
func TestLife(t *testing.T) {
	n, ns := running(t)
	at := address(t, n, ns)
	before := pods(t, n, ns)
	_, _ = get(t, "http://"+before[0].Status.PodIP+":8081/exit")
	cluster.Eventually(t, func() error {
		var p corev1.Pod
		if err := n.Client.Get(t.Context(), client.ObjectKeyFromObject(&before[0]), &p); err != nil {
			return err
		}
		for _, s := range p.Status.ContainerStatuses {
			if s.Name == "beside" && s.RestartCount == 1 && s.Ready {
				return nil
			}
		}
		return fmt.Errorf("its containers are %+v", p.Status.ContainerStatuses)
	})
	n.Apply(t, strings.ReplaceAll(strings.ReplaceAll(deployment, "NS", ns), "note: hello", "note: again"))
	cluster.Eventually(t, func() error {
		if _, err := get(t, at+":8080/sight"); err != nil {
			t.Fatalf("while pods are replaced: %v", err)
		}
		if err := available(t, n, ns, 2); err != nil {
			return err
		}
		for _, p := range pods(t, n, ns) {
			if p.Annotations["note"] != "again" {
				return fmt.Errorf("%s is still there", p.Name)
			}
		}
		return nil
	})
	if log := n.Log(t, ns, before[1].Name, "web"); !strings.Contains(log, "drained\ntold to end\n") {
		t.Errorf("a pod's container said before its end:\n%s", log)
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	if err := n.Client.Delete(t.Context(), d, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, func() error {
		if left := pods(t, n, ns); len(left) > 0 {
			return fmt.Errorf("%d pods are left", len(left))
		}
		return nil
	})
}
