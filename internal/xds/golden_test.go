package xds_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/xds"
)

var update = flag.Bool("update", false, "write what Build makes into the files of testdata")

// TestGoldens: each file of testdata is a configuration and the static bootstrap that it becomes, or the kind of its resources that
// the file's line "Shows:" names. Envoy accepts the whole.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b := bootstrap(t, member(a, "spanway.yaml"))
			got := printed(t, shown(t, b, string(a.Comment)))
			if *update {
				setMember(a, "envoy.yaml", got)
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(member(a, "envoy.yaml")), string(got)); d != "" {
				t.Errorf("another bootstrap than the golden's; -update writes it (-want +got):\n%s", d)
			}
			validate(t, printed(t, b))
		})
	}
}

// shown is what of b a golden shows.
func shown(t *testing.T, b *bootstrapv3.Bootstrap, comment string) *bootstrapv3.Bootstrap {
	t.Helper()
	_, kind, some := strings.Cut(comment, "Shows: ")
	if !some {
		return b
	}
	all := b.GetStaticResources()
	out := &bootstrapv3.Bootstrap_StaticResources{}
	switch strings.Trim(kind, ".\n") {
	case "clusters":
		for _, c := range all.GetClusters() {
			if !strings.HasPrefix(c.GetName(), "spanway.") {
				out.Clusters = append(out.Clusters, c)
			}
		}
	case "listeners":
		out.Listeners = all.GetListeners()
	case "secrets":
		out.Secrets = all.GetSecrets()
	case "routes":
		var m hcmv3.HttpConnectionManager
		if err := all.GetListeners()[0].GetFilterChains()[0].GetFilters()[1].GetTypedConfig().UnmarshalTo(&m); err != nil {
			t.Fatal(err)
		}
		out.Listeners = append(out.Listeners, holding(t, m.GetRouteConfig()))
	default:
		t.Fatalf("the golden shows %q", kind)
	}
	return &bootstrapv3.Bootstrap{StaticResources: out}
}

// options are those of the goldens.
var options = xds.Options{Processor: "unix:spanway.sock", DemoURL: "http://127.0.0.1:18080", Roots: "ca.pem"}

// load reads a configuration, whose environment and files are made up.
func load(t testing.TB, data []byte) *ir.Gateway {
	t.Helper()
	g, err := ir.Load("spanway.yaml", data, ir.LoadOptions{
		Getenv:    func(string) (string, bool) { return "", false },
		ReadFile:  func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(pki(t), name)) },
		Providers: provider.Names(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func bootstrap(t testing.TB, config []byte) *bootstrapv3.Bootstrap {
	t.Helper()
	g := load(t, config)
	r, err := xds.Build(g, options)
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.Static(r, xds.Boot{Admin: "127.0.0.1:9901", Connections: g.Limits.Connections})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func printed(t testing.TB, b proto.Message) []byte {
	t.Helper()
	out, err := xds.YAML(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// validate has Envoy itself judge a bootstrap.
func validate(t testing.TB, bootstrap []byte) {
	t.Helper()
	bin := envoyBinary(t)
	f := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(f, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "--mode", "validate", "-c", f, "-l", "warn", "--concurrency", "1")
	cmd.Dir = pki(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("Envoy does not accept it: %v\n%s", err, out)
	}
}

// envoyBinary is the path of Envoy's binary.
func envoyBinary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("ENVOY")
	if bin == "" {
		bin, _ = filepath.Abs("../../.tools/bin/envoy")
	}
	found, err := envoy.Find(t.Context(), bin)
	if err != nil {
		t.Fatalf("this test needs Envoy: run tools/install.sh envoy, or set ENVOY to its path (%v)", err)
	}
	return found.Path
}

var certificates struct {
	once sync.Once
	dir  string
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if certificates.dir != "" {
		_ = os.RemoveAll(certificates.dir)
	}
	os.Exit(code)
}

// pki is a folder with cert.pem, its key.pem, and ca.pem, which is cert.pem too.
func pki(t testing.TB) string {
	t.Helper()
	certificates.once.Do(func() {
		dir, err := os.MkdirTemp("", "xds")
		if err != nil {
			t.Fatal(err)
		}
		certificates.dir = dir
		cert, key := issue(t, "test")
		for name, data := range map[string][]byte{"cert.pem": cert, "ca.pem": cert, "key.pem": key} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	return certificates.dir
}

// issue makes a certificate of localhost, and of hosts, and its key, in PEM.
func issue(t testing.TB, name string, hosts ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: append(hosts, "localhost")}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

func member(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func setMember(a *txtar.Archive, name string, data []byte) {
	data = append(bytes.TrimRight(data, "\n"), '\n')
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = data
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: data})
}
