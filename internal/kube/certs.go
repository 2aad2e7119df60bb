package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// certs is the certificate of the control port. All replicas serve the one in the Secret; the one that leads makes it.
type certs struct {
	client  client.Client
	secret  types.NamespacedName
	host    string // the name by which data planes call the controller
	log     *slog.Logger
	now     func() time.Time
	changed chan struct{} // the Secret is another one
	update  func()        // called when authority gives something else

	current atomic.Pointer[served]
}

// served is what was last read from the Secret.
type served struct {
	cert   tls.Certificate
	bundle string
}

// certLook is how often the Secret is looked at without a reason.
const certLook = time.Hour

// tls is the configuration of the control port.
func (c *certs) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if s := c.current.Load(); s != nil {
			return &s.cert, nil
		}
		return nil, errors.New("no certificate yet")
	}}
}

// authority is what data planes are to trust, in PEM; "" = not known yet.
func (c *certs) authority() string {
	if s := c.current.Load(); s != nil {
		return s.bundle
	}
	return ""
}

// run follows the Secret until ctx is over. While leads it makes and renews it.
func (c *certs) run(ctx context.Context, leads func() bool) {
	t := time.NewTicker(certLook)
	defer t.Stop()
	wait := firstRetry
	for {
		err := c.look(ctx, leads())
		var again <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.log.Warn("certificate of the control port", "again_in", wait, "error", err)
			again = time.After(wait)
			wait = min(2*wait, lastRetry)
		case c.current.Load() == nil: // who leads is about to make it
			again = time.After(firstRetry)
		default:
			wait = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		case <-t.C:
		case <-again:
		}
	}
}

// look takes over what is in the Secret, after having seen to it that it is good if this replica leads.
func (c *certs) look(ctx context.Context, lead bool) error {
	s := &corev1.Secret{}
	err := c.client.Get(ctx, c.secret, s)
	missing := apierrors.IsNotFound(err)
	if missing && !lead {
		return nil
	} else if err != nil && !missing {
		return fmt.Errorf("read Secret %s: %w", c.secret, err)
	}
	if lead {
		if err := c.keep(ctx, s, missing); err != nil {
			return err
		}
	}
	return c.take(s)
}

// keep writes what is missing or about to end.
func (c *certs) keep(ctx context.Context, s *corev1.Secret, missing bool) error {
	data, changed, err := renew(s.Data, c.host, c.now())
	if err != nil || !changed {
		return err
	}
	s.Data = data
	if missing {
		*s = corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.secret.Namespace, Name: c.secret.Name}, Type: corev1.SecretTypeTLS, Data: data}
		err = c.client.Create(ctx, s)
	} else {
		err = c.client.Update(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", c.secret, err)
	}
	c.log.Info("certificate of the control port renewed", "host", c.host)
	return nil
}

func (c *certs) take(s *corev1.Secret) error {
	p, err := readPair(s.Data[keyCert], s.Data[keyKey])
	if err != nil {
		return fmt.Errorf("the Secret %s has no certificate: %w", c.secret, err)
	}
	old := c.current.Load()
	if old != nil && old.bundle == string(s.Data[keyBundle]) && bytes.Equal(old.cert.Leaf.Raw, p.cert.Raw) {
		return nil
	}
	c.current.Store(&served{bundle: string(s.Data[keyBundle]), cert: tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}})
	if old == nil || old.bundle != string(s.Data[keyBundle]) {
		c.update()
	}
	return nil
}
