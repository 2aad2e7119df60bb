package kube

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// How long certificates count, and how long before their end others take their place. An authority is handed out for as long as a
// certificate lives before it signs anything: whoever has to trust it knows it by then.
const (
	authorityLife  = 10 * 365 * 24 * time.Hour
	authorityLeft  = 365 * 24 * time.Hour
	certLife       = 90 * 24 * time.Hour
	certLeft       = 30 * 24 * time.Hour
	clockTolerance = 10 * time.Minute
)

// Keys of the Secret with the control port's certificate. The first three are those of other Secrets with certificates.
const (
	keyCert      = "tls.crt" // of the server
	keyKey       = "tls.key"
	keyBundle    = "ca.crt" // all authorities to trust
	keySigner    = "signer.crt"
	keySignerKey = "signer.key" // the authority that signs
	keyNext      = "next.crt"   // the one that signs after it, where that is decided
	keyNextKey   = "next.key"
)

// pair is a certificate with its key.
type pair struct {
	cert    *x509.Certificate
	certPEM []byte
	keyPEM  []byte
	key     *ecdsa.PrivateKey
}

// renew gives back the data of the Secret as it should be at a time, for a server called host. It changes nothing that is good:
// then it gives back data itself, and false.
func renew(data map[string][]byte, host string, now time.Time) (map[string][]byte, bool, error) {
	signer, err := readPair(data[keySigner], data[keySignerKey])
	if err != nil || now.After(signer.cert.NotAfter) {
		if signer, err = newAuthority(now); err != nil {
			return nil, false, err
		}
		return issue(map[string][]byte{keySigner: signer.certPEM, keySignerKey: signer.keyPEM, keyBundle: signer.certPEM}, signer, host, now)
	}
	server, err := readPair(data[keyCert], data[keyKey])
	if err == nil && now.Before(server.cert.NotAfter.Add(-certLeft)) && server.cert.VerifyHostname(host) == nil && server.cert.CheckSignatureFrom(signer.cert) == nil &&
		bytes.Contains(data[keyBundle], signer.certPEM) {
		return data, false, nil
	}
	out := map[string][]byte{keySigner: signer.certPEM, keySignerKey: signer.keyPEM, keyBundle: data[keyBundle]}
	if !bytes.Contains(out[keyBundle], signer.certPEM) {
		out[keyBundle] = signer.certPEM
	}
	if next, err := readPair(data[keyNext], data[keyNextKey]); err == nil {
		// Everybody has known it since the certificate before.
		signer = next
		out[keySigner], out[keySignerKey] = next.certPEM, next.keyPEM
		out[keyBundle] = valid(out[keyBundle], now)
	} else if now.After(signer.cert.NotAfter.Add(-authorityLeft)) {
		if next, err = newAuthority(now); err != nil {
			return nil, false, err
		}
		out[keyNext], out[keyNextKey] = next.certPEM, next.keyPEM
		out[keyBundle] = append(bytes.Clone(out[keyBundle]), next.certPEM...)
	}
	return issue(out, signer, host, now)
}

// issue adds the server's certificate to data.
func issue(data map[string][]byte, signer *pair, host string, now time.Time) (map[string][]byte, bool, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "spanway controller"},
		NotBefore:   now.Add(-clockTolerance),
		NotAfter:    now.Add(certLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	p, err := sign(template, signer)
	if err != nil {
		return nil, false, err
	}
	data[keyCert], data[keyKey] = p.certPEM, p.keyPEM
	return data, true, nil
}

func newAuthority(now time.Time) (*pair, error) {
	return sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "spanway control authority"},
		NotBefore:             now.Add(-clockTolerance),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}, nil)
}

// sign makes a key and its certificate, signed by signer or, without one, by itself.
func sign(template *x509.Certificate, signer *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	parent, parentKey := template, key
	if signer != nil {
		parent, parentKey = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &pair{cert: cert, key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})}, nil
}

// readPair reads what sign wrote.
func readPair(certPEM, keyPEM []byte) (*pair, error) {
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not one of an elliptic curve")
	}
	return &pair{cert: c.Leaf, certPEM: certPEM, keyPEM: keyPEM, key: key}, nil
}

// valid is the certificates of bundle that have not ended.
func valid(bundle []byte, now time.Time) []byte {
	var out []byte
	for rest := bundle; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return out
		}
		if c, err := x509.ParseCertificate(b.Bytes); err == nil && now.Before(c.NotAfter) {
			out = append(out, pem.EncodeToMemory(b)...)
		}
	}
}
