package xds_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCertificateRenewed: a listener shows the certificate that was moved to its files' place, or that Kubernetes put there.
func TestCertificateRenewed(t *testing.T) {
	for _, kubernetes := range []bool{false, true} {
		t.Run(fmt.Sprintf("kubernetes %t", kubernetes), func(t *testing.T) {
			dir := t.TempDir()
			put := func(version int, name string) {
				t.Helper()
				cert, key := issue(t, name)
				into := filepath.Join(dir, fmt.Sprint("..", version))
				if err := os.Mkdir(into, 0o700); err != nil {
					t.Fatal(err)
				}
				for file, data := range map[string][]byte{"key.pem": key, "cert.pem": cert} {
					if err := os.WriteFile(filepath.Join(into, file), data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				// As the kubelet does it: a link is made, and moved over the one before.
				if kubernetes {
					link := filepath.Join(dir, "..data_tmp")
					if err := os.Symlink(filepath.Base(into), link); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
						t.Fatal(err)
					}
					return
				}
				for _, file := range []string{"key.pem", "cert.pem"} {
					if err := os.Rename(filepath.Join(into, file), filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
				}
			}
			put(1, "first")
			if kubernetes {
				for _, file := range []string{"key.pem", "cert.pem"} {
					if err := os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
				}
			}
			f := startFleet(t)
			listen := free(t)
			config := fmt.Sprintf("listeners: [{address: %q, tls: {cert: cert.pem, key: key.pem}}]\nbackends: {a: {demo: true}}\nroutes: [{to: a}]\n", listen)
			g := load(t, []byte(config))
			g.Listeners[0].TLS.CertFile, g.Listeners[0].TLS.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			if err := f.Publish(within(t, patience), f.built(t, g)); err != nil {
				t.Fatal(err)
			}
			awaitCertificate(t, listen, "first")
			put(2, "second")
			awaitCertificate(t, listen, "second")
		})
	}
}

// awaitCertificate waits until the certificate that is shown at address has a name.
func awaitCertificate(t *testing.T, address, name string) {
	t.Helper()
	ctx := within(t, patience)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		got := ""
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			got = c.ConnectionState().PeerCertificates[0].Subject.CommonName
			_ = c.Close()
		}
		if got == name {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the certificate is %q (%v), want %q", got, err, name)
		}
	}
}
