package planner

import (
	"fmt"
	"strings"
)

// stepTitle names a step: "create pod.web", "push image.web to b".
func stepTitle(p *Plan, s Step) string {
	switch s.Kind {
	case StepApply:
		c := p.Changes[s.Index]
		verb := "create "
		switch c.Action {
		case Update:
			verb = "update "
		case Read:
			verb = "read "
		}
		return verb + c.Address
	case StepDelete:
		if c := p.Changes[s.Index]; c.Action == Forget {
			return "forget " + c.Address
		}
		return "delete " + p.Changes[s.Index].Address
	case StepPush:
		t := p.Transfers[s.Index]
		return "push " + t.Image + " to " + t.Node
	default:
		return "(" + s.Name + ")"
	}
}

// String is the plan as text for golden files and debugging: what changes and
// why, where replicas go, and the graph. The same plan gives the same text.
// Sensitive values are not in it, nor any other values.
func (p *Plan) String() string {
	var b strings.Builder
	if p.RefreshOnly {
		b.WriteString("record only\n")
	}
	for _, c := range p.Changes {
		p.dumpChange(&b, c)
	}
	for _, t := range p.Transfers {
		if t.Unknown {
			fmt.Fprintf(&b, "push images of %s to %s, known after apply\n", t.Image, t.Node)
		} else {
			fmt.Fprintf(&b, "push %s to %s: %d of %d bytes\n", t.Image, t.Node, t.Bytes, t.Total)
		}
	}
	for _, pp := range p.Pods {
		for _, d := range pp.Replicas {
			fmt.Fprintf(&b, "place %s slot %d on %s: score %.1f, runner-up %q %.1f, then free %dm %d\n",
				pp.Address, d.Slot, d.Node, d.Score, d.RunnerUp, d.RunnerUpScore, d.FreeMilliCPU, d.FreeMemory)
		}
		for _, u := range pp.Unplaced {
			fmt.Fprintf(&b, "place %s slot %d nowhere: %v\n", pp.Address, u.Slot, u.Reasons)
		}
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "node %s: free %dm → %dm, %d → %d bytes, replicas %d → %d\n", n.Name,
			n.FreeCPUBefore, n.FreeCPUAfter, n.FreeMemoryBefore, n.FreeMemoryAfter, n.PodsBefore, n.PodsAfter)
	}
	for _, o := range p.Outputs {
		if o.Action != NoOp {
			fmt.Fprintf(&b, "%s output %s\n", o.Action, o.Name)
		}
	}
	for _, c := range p.Checks {
		fmt.Fprintf(&b, "check %s: %s", c.Address, c.Status)
		for _, problem := range c.Problems {
			fmt.Fprintf(&b, ": %s", problem)
		}
		b.WriteByte('\n')
	}
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%d. %s", i, stepTitle(p, s))
		if len(s.Needs) > 0 {
			fmt.Fprintf(&b, " after %s", strings.Trim(fmt.Sprint(s.Needs), "[]"))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (p *Plan) dumpChange(b *strings.Builder, c *Change) {
	if c.MovedFrom != "" {
		fmt.Fprintf(b, "move %s to %s\n", c.MovedFrom, c.Address)
	}
	if c.Importing != "" {
		fmt.Fprintf(b, "import %s as %s\n", c.Importing, c.Address)
	}
	if c.Action == NoOp && len(c.Drift) == 0 && len(c.Healed) == 0 {
		return
	}
	fmt.Fprintf(b, "%s %s", c.Action, c.Address)
	if c.Reason != "" {
		fmt.Fprintf(b, " because %s", c.Reason)
	}
	b.WriteByte('\n')
	for _, cause := range c.Causes {
		fmt.Fprintf(b, "  ~ %s", clause(cause))
		if cause.Dependency != "" {
			fmt.Fprintf(b, " <- %s", cause.Dependency)
		}
		b.WriteByte('\n')
	}
	for _, d := range c.Drift {
		fmt.Fprintf(b, "  drift: %s\n", strings.TrimSpace(d.Path+" "+d.Why))
	}
	for _, h := range c.Healed {
		fmt.Fprintf(b, "  healed: %s\n", h)
	}
}
