package main

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be left alone before it is read: editors write in several steps.
const settle = 200 * time.Millisecond

// watch tells when the configuration's file has changed. It watches the folder, because editors and Kubernetes replace files
// instead of writing to them.
func (r *runner) watch() (changed <-chan struct{}, stop func()) {
	out := make(chan struct{}, 1)
	if r.source.path == "" {
		return out, func() {}
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(filepath.Dir(r.source.path))
	}
	if err != nil {
		r.log.Warn("the configuration's file is not watched, use SIGHUP", "error", err)
		return out, func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watchLoop(w, out)
	}()
	return out, func() {
		_ = w.Close()
		<-done
	}
}

func (r *runner) watchLoop(w *fsnotify.Watcher, out chan<- struct{}) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	name := filepath.Base(r.source.path)
	for {
		select {
		case ev, ok := <-w.Events:
			if !ok {
				return
			}
			if base := filepath.Base(ev.Name); base == name || base == "..data" {
				timer.Reset(settle)
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			r.log.Warn("watching the configuration's file", "error", err)
		case <-timer.C:
			select {
			case out <- struct{}{}:
			default: // one is already waiting
			}
		}
	}
}
