package ir

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// keyPair is a self-signed certificate and its key in PEM.
func keyPair(t testing.TB) (cert, key string) {
	t.Helper()
	pair, err := makeKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return pair[0], pair[1]
}

var makeKeyPair = sync.OnceValues(func() ([2]string, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return [2]string{}, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	certDER, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		return [2]string{}, err
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return [2]string{}, err
	}
	encode := func(typ string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	}
	return [2]string{encode("CERTIFICATE", certDER), encode("EC PRIVATE KEY", keyDER)}, nil
})
