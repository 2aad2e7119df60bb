package cluster

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	gwv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/spanway/spanway/api/v1alpha1"
)

// Cluster is a control plane that runs. It may be used concurrently.
type Cluster struct {
	// Config is for an administrator, by certificate, without a bound of requests a second.
	Config *rest.Config
	// Client is Config's, for all kinds of Scheme.
	Client client.WithWatch
	// Scheme has Kubernetes' own kinds, the Gateway API's and Spanway's.
	Scheme *runtime.Scheme
	// Kubeconfig is a file with what Config says.
	Kubeconfig string

	dir         string
	authority   *authority
	etcd        *process
	server      *process
	controllers *process
}

// NewScheme returns a scheme with Kubernetes' own kinds, the Gateway API's and Spanway's.
func NewScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(scheme.AddToScheme(s), apiext.AddToScheme(s), gwv1.Install(s), gwv1beta1.Install(s), v1alpha1.AddToScheme(s))
}

// start starts a control plane. If it fails, nothing of it is left.
func start(o *Options) (*Cluster, error) {
	bin, err := programs(len(o.Controllers) > 0)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	if c.dir, err = os.MkdirTemp("", "cluster"); err != nil {
		return nil, err
	}
	if err := c.up(bin, o); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// up starts the programs in bin, one after the other.
func (c *Cluster) up(bin string, o *Options) error {
	address := o.Address
	if address == "" {
		address = "127.0.0.1"
	}
	var err error
	if c.Scheme, err = NewScheme(); err != nil {
		return err
	}
	if c.authority, err = newAuthority(); err != nil {
		return err
	}
	ports, err := freePorts(address, 3)
	if err != nil {
		return err
	}
	if err := c.certificates(address); err != nil {
		return err
	}
	if err := c.startEtcd(bin, ports); err != nil {
		return err
	}
	if err := c.startServer(bin, address, ports); err != nil {
		return err
	}
	if err := c.define(); err != nil {
		return fmt.Errorf("define the kinds: %w", err)
	}
	if len(o.Controllers) == 0 {
		return nil
	}
	return c.startControllers(bin, o.Controllers)
}

// programs is the folder with the control plane's programs.
func programs(controllers bool) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(root, ".tools", "bin")
	needed := []string{"etcd", "kube-apiserver"}
	if controllers {
		needed = append(needed, "kube-controller-manager")
	}
	for _, name := range needed {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return "", fmt.Errorf("%s is missing: run \"make tools\", or set KUBEBUILDER_ASSETS to the folder where it is", name)
		}
	}
	return bin, nil
}

// Root is the repository's folder, which the working folder is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "tools", "install.sh")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the working folder is in no repository of Spanway")
		}
	}
}

// freePorts are ports that nobody listens on now.
func freePorts(address string, n int) ([]string, error) {
	var ports []string
	for range n {
		ln, err := net.Listen("tcp", net.JoinHostPort(address, "0")) //nolint:noctx // a name is not looked up
		if err != nil {
			return nil, err
		}
		defer func() { _ = ln.Close() }()
		_, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// certificates writes what the programs authenticate each other with.
func (c *Cluster) certificates(address string) error {
	serverCert, serverKey, err := c.authority.issue(pkix.Name{CommonName: "kube-apiserver"}, []net.IP{net.ParseIP(address), net.IPv4(127, 0, 0, 1), serviceIP},
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"})
	if err != nil {
		return err
	}
	accounts, err := newAuthority() // its key signs service accounts' tokens
	if err != nil {
		return err
	}
	accountKey, err := keyPEM(accounts.key)
	if err != nil {
		return err
	}
	return files(c.dir, map[string][]byte{"ca.pem": c.authority.pem, "server.pem": serverCert, "server.key": serverKey, "accounts.key": accountKey})
}

// Networks of the cluster.
const serviceRange = "10.96.0.0/16"

var serviceIP = net.IPv4(10, 96, 0, 1) // of the Service "kubernetes"

func (c *Cluster) startEtcd(bin string, ports []string) error {
	clients, peers := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	var err error
	c.etcd, err = launch(c.dir, filepath.Join(bin, "etcd"), "--data-dir="+filepath.Join(c.dir, "etcd"), "--listen-client-urls="+clients,
		"--advertise-client-urls="+clients, "--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers,
		"--initial-cluster=default="+peers, "--unsafe-no-fsync", "--log-level=warn")
	if err != nil {
		return err
	}
	return c.etcd.until("its health", func(ctx context.Context) error { return get(ctx, http.DefaultClient, clients+"/health") })
}

// get is nil for an answer of status 200.
func get(ctx context.Context, hc *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, tailBytes))
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	return nil
}

func (c *Cluster) startServer(bin, address string, ports []string) error {
	in := func(name string) string { return filepath.Join(c.dir, name) }
	args := []string{
		"--etcd-servers=http://127.0.0.1:" + ports[0], "--bind-address=" + address, "--secure-port=" + ports[2], "--cert-dir=" + in("run"),
		"--tls-cert-file=" + in("server.pem"), "--tls-private-key-file=" + in("server.key"), "--client-ca-file=" + in("ca.pem"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + in("accounts.key"),
		"--service-account-signing-key-file=" + in("accounts.key"), "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=" + serviceRange,
		"--profiling=false", "--event-ttl=10m", "--advertise-address=" + address,
	}
	if net.ParseIP(address).IsLoopback() {
		args = append(args, "--endpoint-reconciler-type=none") // an endpoint must not be a loopback address
	}
	var err error
	if c.server, err = launch(c.dir, filepath.Join(bin, "kube-apiserver"), args...); err != nil {
		return err
	}
	if err := c.clients("https://" + net.JoinHostPort(address, ports[2])); err != nil {
		return err
	}
	hc, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return err
	}
	return c.server.until("readiness", func(ctx context.Context) error {
		if err := get(ctx, hc, c.Config.Host+"/readyz"); err != nil {
			return err
		}
		// Objects that others need appear a moment after readiness.
		return c.Client.Get(ctx, client.ObjectKey{Name: "default"}, &corev1.Namespace{})
	})
}

// clients makes the administrator's configuration and its client.
func (c *Cluster) clients(url string) error {
	cert, key, err := c.authority.issue(pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, nil, nil)
	if err != nil {
		return err
	}
	c.Config = &rest.Config{Host: url, QPS: -1, WarningHandler: rest.NoWarnings{}, TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem, CertData: cert, KeyData: key}}
	c.Kubeconfig = filepath.Join(c.dir, "kubeconfig")
	kc := clientcmdapi.NewConfig()
	kc.Clusters["test"] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: c.authority.pem}
	kc.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	kc.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "admin"}
	kc.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*kc, c.Kubeconfig); err != nil {
		return err
	}
	c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: c.Scheme})
	return err
}

func (c *Cluster) startControllers(bin string, names []string) error {
	ports, err := freePorts("127.0.0.1", 1)
	if err != nil {
		return err
	}
	c.controllers, err = launch(c.dir, filepath.Join(bin, "kube-controller-manager"), "--kubeconfig="+c.Kubeconfig, "--leader-elect=false",
		"--controllers="+strings.Join(names, ","), "--bind-address=127.0.0.1", "--secure-port="+ports[0], "--cert-dir="+filepath.Join(c.dir, "run"),
		"--root-ca-file="+filepath.Join(c.dir, "ca.pem"), "--service-account-private-key-file="+filepath.Join(c.dir, "accounts.key"),
		"--kube-api-qps=500", "--kube-api-burst=500", "--profiling=false", "--endpointslice-updates-batch-period=0s")
	if err != nil {
		return err
	}
	return c.controllers.until("its first work", func(ctx context.Context) error {
		return c.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
	})
}

// stop ends the programs that run and removes their files.
func (c *Cluster) stop() error {
	for _, p := range []*process{c.controllers, c.server, c.etcd} {
		if p != nil {
			p.stop()
		}
	}
	return os.RemoveAll(c.dir)
}

// Logs is the end of what a program of the control plane said: etcd, kube-apiserver or kube-controller-manager.
func (c *Cluster) Logs(program string) string {
	for _, p := range []*process{c.controllers, c.server, c.etcd} {
		if p != nil && p.name == program {
			return p.tail()
		}
	}
	return ""
}

// CA is the certificate, as PEM, of who signed the API server's.
func (c *Cluster) CA() []byte { return c.authority.pem }

// Namespace makes a namespace for the test, whose name begins with prefix, and the service account "default" in it.
func (c *Cluster) Namespace(t testing.TB, prefix string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	if err := c.Client.Create(t.Context(), ns); err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "default"}}
	if err := client.IgnoreAlreadyExists(c.Client.Create(t.Context(), account)); err != nil {
		t.Fatalf("create a service account: %v", err)
	}
	return ns.Name
}

// waits of Eventually.
const (
	pause    = 50 * time.Millisecond
	eventual = 30 * time.Second
)

// Eventually asks again and again until it is told no error, half a minute at most: the last one ends the test.
func Eventually(t testing.TB, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(eventual)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v: %v", eventual, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(pause):
		}
	}
}
