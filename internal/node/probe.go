//go:build linux

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// earlyPeriod is how often a container that was never ready is probed: tests do not wait for periods.
const earlyPeriod = 100 * time.Millisecond

// probe asks the container's probes until ctx is over: that of its start, then the others.
func (c *container) probe(ctx context.Context) {
	if s := c.spec.StartupProbe; s != nil && !c.watch(ctx, s, func(ok bool) bool { return ok }) {
		return
	}
	c.set(func(s *state) { s.started = true })
	done := make(chan struct{})
	go func() {
		defer close(done)
		if l := c.spec.LivenessProbe; l != nil {
			c.watch(ctx, l, func(ok bool) bool { return !ok })
			if ctx.Err() == nil {
				_ = c.process.Kill()
			}
		}
	}()
	if r := c.spec.ReadinessProbe; r == nil {
		c.set(func(s *state) { s.ready = true })
	} else {
		c.watch(ctx, r, func(ok bool) bool {
			if ctx.Err() == nil {
				c.set(func(s *state) { s.ready = ok })
			}
			return false
		})
	}
	<-done
}

// watch probes again and again, and tells what the latest results amount to until it is told to end. It is false if ctx ended it.
func (c *container) watch(ctx context.Context, p *corev1.Probe, tell func(ok bool) (end bool)) bool {
	successes, failures, was := int32(0), int32(0), false
	for {
		wait := earlyPeriod
		if was {
			wait = time.Duration(max(1, p.PeriodSeconds)) * time.Second
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		attempt, cancel := context.WithTimeout(ctx, time.Duration(max(1, p.TimeoutSeconds))*time.Second)
		err := c.ask(attempt, &p.ProbeHandler)
		cancel()
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		switch {
		case err == nil && successes >= max(1, p.SuccessThreshold):
			was = true
			if tell(true) {
				return true
			}
		case was && failures >= max(1, p.FailureThreshold):
			was = false
			if tell(false) {
				return true
			}
		}
	}
}

func (c *container) ask(ctx context.Context, h *corev1.ProbeHandler) error {
	switch {
	case h.HTTPGet != nil:
		return c.get(ctx, h.HTTPGet)
	case h.TCPSocket != nil:
		port, err := c.port(h.TCPSocket.Port)
		if err != nil {
			return err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(c.pod.ip, port))
		if err != nil {
			return err
		}
		return conn.Close()
	case h.Exec != nil:
		return c.execute(ctx, h.Exec.Command)
	case h.GRPC != nil:
		conn, err := grpc.NewClient(net.JoinHostPort(c.pod.ip, strconv.Itoa(int(h.GRPC.Port))), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		service := ""
		if h.GRPC.Service != nil {
			service = *h.GRPC.Service
		}
		got, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		if err == nil && got.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			err = fmt.Errorf("it is %v", got.Status)
		}
		return err
	}
	return errors.New("no such probe")
}

// get is nil for an answer of status 200 to 399.
func (c *container) get(ctx context.Context, a *corev1.HTTPGetAction) error {
	port, err := c.port(a.Port)
	if err != nil {
		return err
	}
	host := a.Host
	if host == "" {
		host = c.pod.ip
	}
	scheme := strings.ToLower(string(a.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/"+strings.TrimPrefix(a.Path, "/"), nil)
	if err != nil {
		return err
	}
	for _, h := range a.HTTPHeaders {
		req.Header.Add(h.Name, h.Value)
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // as the kubelet does
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return errors.New(resp.Status)
	}
	return nil
}

// port is a port's number, given that or its name.
func (c *container) port(p intstr.IntOrString) (string, error) {
	if p.Type == intstr.Int {
		return strconv.Itoa(int(p.IntVal)), nil
	}
	for _, own := range c.spec.Ports {
		if own.Name == p.StrVal {
			return strconv.Itoa(int(own.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("the container has no port %q", p.StrVal)
}
