package proxy

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spanway/spanway/internal/ir"
)

// serverTLS is c as crypto/tls has it, and what its certificates come from. The certificate's files are read again when they change,
// which is noticed after age at most.
func serverTLS(c *ir.ServerTLS, age time.Duration) (*tls.Config, *certificates, error) {
	certs := &certificates{}
	pairs, err := newPairs(c.Pairs)
	if err != nil {
		return nil, nil, err
	}
	certs.pairs.Store(pairs)
	if c.CertFile != "" || len(c.Pairs) == 0 {
		certs.file = &keyPair{cert: c.CertFile, key: c.KeyFile, age: age}
		if _, err := certs.file.get(); err != nil {
			return nil, nil, err
		}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.get, NextProtos: []string{"h2", "http/1.1"}}
	if c.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	if c.ClientCAFile != "" {
		pool, err := ir.ReadPool(c.ClientCAFile)
		if err != nil {
			return nil, nil, err
		}
		conf.ClientCAs, conf.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return conf, certs, nil
}

// certificates are those of a listener. They are safe for concurrent use.
type certificates struct {
	file  *keyPair // nil = none
	pairs atomic.Pointer[pairs]
}

// get chooses by the name that a client asks for; without one, and for a name that no certificate has, the first is used.
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := c.pairs.Load()
	if c.file == nil {
		return p.choose(hello, p.all[0]), nil
	}
	first, err := c.file.get()
	if err != nil || len(p.all) == 0 || hello.ServerName == "" || first.Leaf.VerifyHostname(hello.ServerName) == nil {
		return first, err
	}
	return p.choose(hello, first), nil
}

// pairs are certificates by content. They do not change.
type pairs struct {
	all    []*tls.Certificate
	byName map[string][]*tls.Certificate // DNS names in lower case, as the certificates have them
}

func newPairs(list []ir.KeyPair) (*pairs, error) {
	p := &pairs{byName: map[string][]*tls.Certificate{}}
	for i := range list {
		pair, err := tls.X509KeyPair([]byte(list[i].Cert), []byte(list[i].Key))
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		p.all = append(p.all, &pair)
		for _, name := range pair.Leaf.DNSNames {
			name = strings.ToLower(name)
			p.byName[name] = append(p.byName[name], &pair)
		}
	}
	return p, nil
}

// choose is the certificate for a client: of those that have its name the first whose kind of key it can verify, else other.
func (p *pairs) choose(hello *tls.ClientHelloInfo, other *tls.Certificate) *tls.Certificate {
	name := strings.ToLower(hello.ServerName)
	list := p.byName[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(list) == 0 {
		list = p.byName["*."+parent]
	}
	if len(list) == 0 {
		return other
	}
	for _, c := range list[:len(list)-1] {
		if hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	return list[len(list)-1]
}

// keyPair is a certificate that follows its files. It is safe for concurrent use.
type keyPair struct {
	cert, key string
	age       time.Duration // how long it is used before its file is looked at again

	mu       sync.Mutex
	checked  time.Time
	modified time.Time
	loaded   *tls.Certificate
}

// certificateAge is the age of every listener's keyPair.
const certificateAge = 5 * time.Second

func (p *keyPair) get() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil && time.Since(p.checked) < p.age {
		return p.loaded, nil
	}
	p.checked = time.Now()
	st, err := os.Stat(p.cert)
	if err != nil {
		return p.keep(fmt.Errorf("certificate: %w", err))
	}
	if p.loaded != nil && st.ModTime().Equal(p.modified) {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return p.keep(fmt.Errorf("certificate: %w", err))
	}
	p.loaded, p.modified = &pair, st.ModTime()
	return p.loaded, nil
}

// keep goes on with the certificate that is loaded, if there is one: files are seldom replaced together.
func (p *keyPair) keep(err error) (*tls.Certificate, error) {
	if p.loaded != nil {
		return p.loaded, nil
	}
	return nil, err
}
