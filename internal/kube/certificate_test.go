package kube

import (
	"crypto/x509"
	"maps"
	"testing"
	"time"
)

const certHost = "spanway.spanway-system.svc"

// verify checks that who knows an older Secret's authorities trusts a newer Secret's server.
func verify(t *testing.T, known, served map[string][]byte, host string, at time.Time) {
	t.Helper()
	p, err := readPair(served[keyCert], served[keyKey])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(known[keyBundle])
	if _, err := p.cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: at}); err != nil {
		t.Errorf("%v: %v", at.Format(time.DateOnly), err)
	}
}

// TestCertificatesRenew lives through 25 years of looking at the Secret once a week, and has clients that learn of authorities a
// week late.
func TestCertificatesRenew(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	data, changed, err := renew(nil, certHost, at)
	if err != nil || !changed {
		t.Fatalf("changed %v, error %v", changed, err)
	}
	known, renewals, authorities := data, 0, map[string]bool{}
	for range 25 * 52 {
		at = at.Add(7 * 24 * time.Hour)
		next, changed, err := renew(data, certHost, at)
		if err != nil {
			t.Fatal(err)
		}
		verify(t, known, next, certHost, at)
		verify(t, next, next, certHost, at)
		if changed {
			renewals++
		} else if !maps.EqualFunc(data, next, func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Fatal("changed without saying so")
		}
		known, data = data, next
		authorities[string(data[keySigner])] = true
	}
	if renewals < 25*5 || renewals > 25*7 {
		t.Errorf("%d renewals in 25 years, want about six a year", renewals)
	}
	if len(authorities) != 3 {
		t.Errorf("%d authorities in 25 years, want 3", len(authorities))
	}
}

func TestCertificatesHost(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	data, _, err := renew(nil, certHost, at)
	if err != nil {
		t.Fatal(err)
	}
	other, changed, err := renew(data, "192.0.2.7", at)
	if err != nil || !changed {
		t.Fatalf("another host: changed %v, error %v", changed, err)
	}
	verify(t, data, other, "192.0.2.7", at)
	for _, k := range []string{keyCert, keyKey, keySigner, keySignerKey, keyBundle} {
		broken := maps.Clone(other)
		delete(broken, k)
		mended, changed, err := renew(broken, "192.0.2.7", at)
		if err != nil || !changed {
			t.Errorf("without %s: changed %v, error %v", k, changed, err)
			continue
		}
		verify(t, mended, mended, "192.0.2.7", at)
	}
}
