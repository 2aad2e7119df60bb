// Command probe serves what a container sees: its user, capabilities, files, names and neighbours. It serves tests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	fmt.Println("started with", os.Args[1:])
	var ready atomic.Bool
	ready.Store(os.Getenv("NOT_READY") == "")
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/set-ready", func(_ http.ResponseWriter, r *http.Request) { ready.Store(r.URL.RawQuery == "yes") })
	http.HandleFunc("/sight", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(sight()) })
	http.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(r.URL.RawQuery)
		answer(w, text, err)
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, os.WriteFile(r.URL.RawQuery, []byte("written"), 0o600))
	})
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(r.URL.RawQuery)
		if err != nil {
			answer(w, nil, err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		answer(w, text, err)
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	http.HandleFunc("/drain", func(http.ResponseWriter, *http.Request) {
		time.Sleep(time.Second) // until nobody is led here any more
		fmt.Println("drained")
	})
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), ReadHeaderTimeout: time.Second}
	go func() {
		<-ends
		fmt.Println("told to end")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		os.Exit(0)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
		os.Exit(1)
	}
	select {} // until it is shut down
}

func answer(w http.ResponseWriter, text []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

func sight() map[string]any {
	status, _ := os.ReadFile("/proc/self/status")
	effective := ""
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			effective = strings.TrimSpace(v)
		}
	}
	host, _ := os.Hostname()
	addresses, _ := net.InterfaceAddrs()
	var ips []string
	for _, a := range addresses {
		ips = append(ips, a.String())
	}
	entries, _ := os.ReadDir("/")
	var root []string
	for _, e := range entries {
		root = append(root, e.Name())
	}
	return map[string]any{"uid": os.Getuid(), "groups": os.Args[1:], "capabilities": effective, "host": host, "ips": ips, "env": os.Environ(), "root": root}
}
