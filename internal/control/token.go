package control

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Bounds of what is known of tokens.
const (
	tokenLasts   = time.Minute      // how long an answer about one counts
	maxTokens    = 10_000           // that are remembered
	authPatience = 10 * time.Second // for an answer
	warnEvery    = time.Minute      // that streams were turned away
)

// tokens remembers whose tokens are, by their hashes. It is safe for concurrent use.
type tokens struct {
	mu     sync.Mutex
	known  map[[sha256.Size]byte]known
	warned time.Time
}

type known struct {
	id    Identity
	until time.Time
}

type identityKey struct{}

// identityOf is who the caller is that admit let in.
func identityOf(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

// admit lets streams in that show a token.
func (s *Server) admit(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	id, err := s.authenticate(stream.Context())
	if err != nil {
		s.mu.Lock()
		s.counts.Denied++
		s.mu.Unlock()
		if s.tokens.warn() {
			s.o.Log.Warn("a data plane was turned away", "error", err)
		}
		return status.Error(codes.Unauthenticated, "no token, or one that is not valid here")
	}
	return handler(srv, &admitted{ServerStream: stream, ctx: context.WithValue(stream.Context(), identityKey{}, id)})
}

// admitted is a stream whose caller is known.
type admitted struct {
	grpc.ServerStream

	ctx context.Context //nolint:containedctx // a stream has one
}

// Context implements grpc.ServerStream.
func (a *admitted) Context() context.Context { return a.ctx }

func (s *Server) authenticate(ctx context.Context) (Identity, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("authorization")
	if len(values) != 1 {
		return Identity{}, status.Error(codes.Unauthenticated, "no token")
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok || token == "" {
		return Identity{}, status.Error(codes.Unauthenticated, "no token")
	}
	key := sha256.Sum256([]byte(token))
	if id, ok := s.tokens.of(key); ok {
		return id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, authPatience)
	defer cancel()
	id, err := s.o.Authenticate(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	s.tokens.learn(key, id)
	return id, nil
}

func (t *tokens) of(key [sha256.Size]byte) (Identity, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.known[key]
	return k.id, ok && time.Now().Before(k.until)
}

func (t *tokens) learn(key [sha256.Size]byte, id Identity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for k, v := range t.known {
		if now.After(v.until) {
			delete(t.known, k)
		}
	}
	if t.known == nil || len(t.known) >= maxTokens {
		t.known = map[[sha256.Size]byte]known{}
	}
	t.known[key] = known{id, now.Add(tokenLasts)}
}

// warn reports whether it is time to say that somebody was turned away.
func (t *tokens) warn() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.warned) < warnEvery {
		return false
	}
	t.warned = time.Now()
	return true
}
