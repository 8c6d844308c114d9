package nodes

import (
	"context"
	"log/slog"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/store"
)

// Store is what the controller writes to.
type Store interface {
	SetHealth(ctx context.Context, node string, h store.Health) error
	ForgetNode(ctx context.Context, node string) error
	Event(ctx context.Context, events ...api.Event) error
}

// States gives the store's content as it changes.
type States interface {
	Read(use func(*store.State))
	Changed() <-chan struct{}
}

// Presence tells when nodes were last heard of.
type Presence interface {
	Seen() map[string]time.Time
}

// Controller writes verdicts.
type Controller struct {
	Store    Store
	States   States
	Presence Presence
	Log      *slog.Logger
}

// shortest is the least pause between two looks.
const shortest = 250 * time.Millisecond

// Run judges until ctx ends. A node that is heard of again is ready at the next look.
func (c *Controller) Run(ctx context.Context) {
	since := time.Now()
	for {
		in := Input{Seen: c.Presence.Seen(), Since: since, Reported: map[string]bool{}, Verdicts: map[string]store.Health{}}
		var gone []string
		c.States.Read(func(s *store.State) { gone = look(s, &in) })
		in.Now = time.Now()
		changes, next := Judge(in)
		for _, v := range changes {
			c.write(ctx, v)
		}
		for _, node := range gone {
			if err := c.Store.ForgetNode(ctx, node); err != nil && ctx.Err() == nil {
				c.Log.Warn("nodes: clearing away a deleted node failed and is tried again", "node", node, "error", err)
			}
		}
		pause := max(time.Until(next), shortest)
		if in.anySilent() || len(gone) > 0 {
			pause = min(pause, 2*shortest) // it may come back
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (in *Input) anySilent() bool {
	for _, h := range in.Verdicts {
		if !h.Ready {
			return true
		}
	}
	return false
}

// look fills in what the state says and lists nodes of which only traces are left.
func look(s *store.State, in *Input) (gone []string) {
	specs := s.NodeSpecs()
	for name := range specs {
		in.Nodes = append(in.Nodes, name)
		_, in.Reported[name] = s.Nodes[name]
	}
	for name, h := range s.Health {
		in.Verdicts[name] = h
	}
	traces := map[string]bool{}
	for name := range s.Nodes {
		traces[name] = true
	}
	for name := range s.Replicas {
		traces[name] = true
	}
	for name := range s.Health {
		traces[name] = true
	}
	for name := range traces {
		if _, exists := specs[name]; !exists {
			gone = append(gone, name)
		}
	}
	return gone
}

// write records why first: who waits for the verdict finds the event there.
func (c *Controller) write(ctx context.Context, v Verdict) {
	e := api.Event{Time: v.Health.Since, Object: "node." + v.Node, Type: "normal", Reason: "NodeReady", Message: "its agent answers again"}
	if !v.Health.Ready {
		e.Type, e.Reason, e.Message = "warning", "NodeSilent", v.Health.Message
	}
	err := c.Store.Event(ctx, e)
	if err == nil {
		err = c.Store.SetHealth(ctx, v.Node, v.Health)
	}
	if err == nil {
		c.Log.Info("nodes: "+e.Message, "node", v.Node)
	} else if ctx.Err() == nil {
		c.Log.Warn("nodes: a verdict could not be written and is tried again", "node", v.Node, "error", err)
	}
}
