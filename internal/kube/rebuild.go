package kube

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/translate"
)

// maxRounds bounds how often one rebuild translates: what a Secret holds can make another one be referred to, hardly a third.
const maxRounds = 3

// rebuild translates everything, publishes it, and leaves the rest to the writer.
func (c *controller) rebuild(ctx context.Context) (err error) {
	start := time.Now()
	ctx, end := c.span(ctx, "rebuild")
	defer func() { end(err) }()
	in, out, err := c.translate(ctx)
	if err != nil {
		c.met.failures.Inc()
		return err
	}
	c.publish(ctx, out)
	last := c.latest.Load()
	r := &result{out: out, version: 1, span: trace.SpanContextFromContext(ctx)}
	if last != nil {
		r.version = last.version + 1
	}
	c.latest.Store(r)
	c.met.rebuilt(time.Since(start), in, out)
	c.log.Debug("published", "version", r.version, "gateways", len(out.Gateways), "problems", len(out.Problems), "took", time.Since(start))
	c.ready.Store(true)
	nudge(c.wake)
	return nil
}

// translate reads what is referred to, and translates again if that leads to more.
func (c *controller) translate(ctx context.Context) (*translate.Input, *translate.Output, error) {
	for range maxRounds {
		if err := c.read(ctx); err != nil {
			return nil, nil, err
		}
		_, end := c.span(ctx, "translate")
		in := c.input()
		out := translate.Translate(in, c.translation)
		end(nil)
		c.reported = in.Programmed
		if !c.refs.refer(out) {
			return in, out, nil
		}
	}
	return nil, nil, errors.New("translate: what is referred to goes on changing")
}

func (c *controller) read(ctx context.Context) (err error) {
	ctx, end := c.span(ctx, "read")
	defer func() { end(err) }()
	return c.refs.refresh(ctx, c.w, c.log)
}

func (c *controller) publish(ctx context.Context, out *translate.Output) {
	_, end := c.span(ctx, "publish")
	defer end(nil)
	all := make([]control.Gateway, 0, len(out.Gateways))
	for i := range out.Gateways {
		g := &out.Gateways[i]
		all = append(all, control.Gateway{Namespace: g.Object.Namespace, Name: g.Object.Name, IR: g.IR, Processor: processor(g)})
	}
	c.planes.Publish(all)
}

// processor reports whether a processor stands beside the Envoys of g. Who deploys them by himself is trusted to have one.
func processor(g *translate.Gateway) bool {
	if g.Parameters == nil {
		return true
	}
	a := g.Parameters.AIExtension
	return a != nil && a.Enabled != nil && *a.Enabled
}
