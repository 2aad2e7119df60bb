package proxy

import (
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// served is the serial number of the certificate that a listener of conf shows to a new client.
func served(t *testing.T, conf *tls.Config, a *Authority) int64 {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- tls.Server(server, conf).HandshakeContext(t.Context()) }()
	c := tls.Client(client, &tls.Config{RootCAs: a.Pool, ServerName: "127.0.0.1"})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// touch gives file a time of change of its own: two writes may fall within one tick of the file system's clock.
func touch(t *testing.T, file string, minutes int) {
	t.Helper()
	at := time.Now().Add(time.Duration(minutes) * time.Minute)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateReplaced replaces the files of a certificate while they are in use, well and badly.
func TestCertificateReplaced(t *testing.T) {
	a := NewAuthority(t)
	cert, key := a.Issue(t, "server")
	conf, _, err := serverTLS(&ir.ServerTLS{CertFile: cert, KeyFile: key}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string, serial int64) {
		t.Helper()
		if got := served(t, conf, a); got != serial {
			t.Errorf("%s: certificate %d, want %d", when, got, serial)
		}
	}
	want("at first", 2)
	a.Issue(t, "server")
	touch(t, cert, 1)
	want("replaced", 3)

	next, nextKey := a.Issue(t, "next")
	swap(t, next, cert)
	touch(t, cert, 2)
	want("replaced without its key yet", 3)
	swap(t, nextKey, key)
	want("with its key", 4)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	want("removed", 4)
}

func swap(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateKept: files are not looked at again before their age is over.
func TestCertificateKept(t *testing.T) {
	a := NewAuthority(t)
	cert, key := a.Issue(t, "server")
	conf, _, err := serverTLS(&ir.ServerTLS{CertFile: cert, KeyFile: key}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	a.Issue(t, "server")
	touch(t, cert, 1)
	if got := served(t, conf, a); got != 2 {
		t.Errorf("certificate %d, want the first, 2", got)
	}
}

func TestNoCertificate(t *testing.T) {
	a := NewAuthority(t)
	cert, key := a.Issue(t, "server")
	for name, c := range map[string]ir.ServerTLS{
		"no certificate": {CertFile: cert + "x", KeyFile: key}, "no key": {CertFile: cert, KeyFile: key + "x"},
		"no authority": {CertFile: cert, KeyFile: key, ClientCAFile: cert + "x"}, "an authority that is none": {CertFile: cert, KeyFile: key, ClientCAFile: key},
	} {
		if _, _, err := serverTLS(&c, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCertificateByName: a client gets the certificate that has the name it asks for, be it a file's or one by content, else the first.
func TestCertificateByName(t *testing.T) {
	a := NewAuthority(t)
	cert, key := a.Issue(t, "file", "file.test", "*.both.test") // 2
	list := []ir.KeyPair{
		a.Content(t, "one", "one.test", "*.One.test"),                // 3
		a.Content(t, "two", "two.test", "x.one.test", "x.both.test"), // 4
		a.Content(t, "again", "two.test"),                            // 5
	}
	for name, c := range map[string]struct {
		conf ir.ServerTLS
		want map[string]int64
	}{
		"content": {ir.ServerTLS{Pairs: list}, map[string]int64{"": 3, "one.test": 3, "a.one.test": 3, "X.one.test": 4, "a.b.one.test": 3, "two.test": 4, "file.test": 3}},
		"both": {ir.ServerTLS{CertFile: cert, KeyFile: key, Pairs: list},
			map[string]int64{"": 2, "one.test": 3, "two.test": 4, "file.test": 2, "x.both.test": 2, "unknown.test": 2}},
	} {
		conf, _, err := serverTLS(&c.conf, 0)
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range c.want {
			got, err := conf.GetCertificate(&tls.ClientHelloInfo{ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13},
				SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}})
			if err != nil || got.Leaf.SerialNumber.Int64() != want {
				t.Errorf("%s: %q: certificate %v, %v; want %d", name, host, got, err, want)
			}
		}
	}
	list[1].Key = list[0].Key
	if _, _, err := serverTLS(&ir.ServerTLS{Pairs: list}, 0); err == nil {
		t.Error("a certificate with another's key is taken")
	}
}
