package main

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/manifest"
)

// settle is how long files must be left alone before they are read: editors write in several steps.
const settle = 200 * time.Millisecond

// anyManifest stands, as the last part of a path, for all files of a folder that are manifests.
const anyManifest = "*.yaml"

// watcher tells when one of a set of files has changed. It watches their folders, because editors and Kubernetes replace files
// instead of writing to them.
type watcher struct {
	changed chan struct{}
	files   chan following
	done    chan struct{}
	notify  *fsnotify.Watcher
	log     func(msg string, args ...any)
}

// following is files to watch, and what is closed when they are.
type following struct {
	files []string
	done  chan struct{}
}

// newWatcher returns a watcher that watches nothing yet. Its errors go to log.
func newWatcher(log func(msg string, args ...any)) (*watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watcher{changed: make(chan struct{}, 1), files: make(chan following), done: make(chan struct{}), notify: n, log: log}
	go w.run()
	return w, nil
}

// watch makes files the ones that are watched, from its return on.
func (w *watcher) watch(files []string) {
	f := following{files: files, done: make(chan struct{})}
	select {
	case w.files <- f:
		<-f.done
	case <-w.done:
	}
}

// close ends the watching and waits for its goroutine.
func (w *watcher) close() {
	_ = w.notify.Close()
	<-w.done
}

func (w *watcher) run() {
	defer close(w.done)
	timer := time.NewTimer(settle)
	timer.Stop()
	names := map[string]bool{}
	for {
		select {
		case f := <-w.files:
			names = w.follow(f.files)
			close(f.done)
		case ev, ok := <-w.notify.Events:
			if !ok {
				return
			}
			name := filepath.Clean(ev.Name) // "./spanway.yaml" for a file that was given without a folder
			dir, base := filepath.Split(name)
			if names[name] || names[dir+"*"] && base == "..data" || names[dir+anyManifest] && (manifest.IsFile(base) || filepath.Ext(base) == "") {
				timer.Reset(settle)
			}
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			w.log("watching files", "error", err)
		case <-timer.C:
			select {
			case w.changed <- struct{}{}:
			default: // one is already waiting
			}
		}
	}
}

// follow watches the folders of files and returns what events about them are called. A folder of Kubernetes' is told by its
// ..data link, under the name folder/*.
func (w *watcher) follow(files []string) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f)
		if err := w.notify.Add(dir); err != nil {
			w.log("a file is not watched, use SIGHUP when it changes", "file", f, "error", err)
			continue
		}
		names[filepath.Join(dir, filepath.Base(f))] = true
		names[filepath.Join(dir, "*")] = true
	}
	return names
}

// watched lists the files that s and g were read from: the configuration's own and, unless g is nil, those of its keys.
func (s *source) watched(g *ir.Gateway) []string {
	var files []string
	if s.manifests != nil {
		files = append(files, s.manifests.files...)
	}
	if s.path != "" {
		files = append(files, s.path)
	}
	if g == nil {
		return files
	}
	for i := range g.Backends {
		if f := g.Backends[i].Key.File; f != "" {
			files = append(files, f)
		}
	}
	for i := range g.Routes {
		for _, p := range g.Routes[i].Policies {
			if p.Guard != nil && p.Guard.Moderation != nil && p.Guard.Moderation.Key.File != "" {
				files = append(files, p.Guard.Moderation.Key.File)
			}
		}
	}
	return files
}
