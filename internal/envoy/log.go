package envoy

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// Bounds of what is kept of an Envoy's log.
const (
	maxLine  = 16 << 10 // bytes of one line; the rest of a longer one is left out
	maxLines = 5        // of errors, to say why it ended
)

// logFormat has the level first, so that logger can tell it. The rest is logger and message.
const logFormat = "%l %n %v"

// lineLog passes the lines that an Envoy writes to a logger, and keeps the latest errors. It is for one writer; errors may be
// called meanwhile.
type lineLog struct {
	log  *slog.Logger
	done func() bool // it was told to end: what it warns about is no news
	line []byte

	mu     sync.Mutex
	latest []string
}

// Write implements io.Writer.
func (l *lineLog) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		l.line = append(l.line, part[:min(len(part), maxLine-len(l.line))]...)
		if i < 0 {
			return n, nil
		}
		l.flush()
		b = b[i+1:]
	}
}

func (l *lineLog) flush() {
	text := string(l.line)
	l.line = l.line[:0]
	if text == "" {
		return
	}
	level, rest := levelOf(text)
	source, message, ok := strings.Cut(rest, " ")
	if !ok || level == levelUnknown {
		source, message = "", text
	}
	if level >= slog.LevelError || level == levelUnknown {
		l.mu.Lock()
		if l.latest = append(l.latest, message); len(l.latest) > maxLines {
			l.latest = l.latest[1:]
		}
		l.mu.Unlock()
	}
	if level == levelUnknown {
		level = slog.LevelWarn // not from its log: of a loader, or of a crash
	}
	if level == slog.LevelWarn && l.done() {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "envoy says", "text", message, "logger", source)
}

// errors are the latest lines that may say why it ended.
func (l *lineLog) errors() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.latest, "; ")
}

// levelUnknown stands for a line that has none.
const levelUnknown = slog.Level(-100)

func levelOf(line string) (level slog.Level, rest string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "trace", "debug":
		return slog.LevelDebug, rest
	case "info":
		return slog.LevelInfo, rest
	case "warning":
		return slog.LevelWarn, rest
	case "error", "critical":
		return slog.LevelError, rest
	}
	return levelUnknown, line
}
