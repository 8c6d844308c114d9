package view

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
)

// Plan writes a plan as text. The same plan gives the same bytes. It is written
// piece by piece: the text of a large plan is larger than the plan.
func (v View) Plan(out io.Writer, p *planner.Plan) error {
	w := bufio.NewWriterSize(out, 64<<10) // it keeps the first error for Flush
	w.WriteString(v.inContext(p))
	w.WriteString(v.notes(p))
	if p.RefreshOnly {
		w.WriteString(v.recordings(p))
		return w.Flush()
	}
	if p.Empty() {
		w.WriteString(v.paint("green", "No changes.") + " " + noChanges(p) + "\n")
		w.WriteString(v.checks(p.Checks))
		return w.Flush()
	}
	w.WriteString(v.legend(p))
	pr := &printer{view: v}
	for _, c := range p.Changes {
		if c.Action == planner.NoOp && c.MovedFrom == "" && c.Importing == "" {
			continue
		}
		pr.b = append(pr.b[:0], '\n')
		pr.change(c)
		w.Write(pr.b)
	}
	w.WriteString(v.outputChanges(p))
	w.WriteString(v.checks(p.Checks))
	v.placement(w, p)
	w.WriteString(v.transfers(p))
	w.WriteString("\n" + v.summary(p) + "\n")
	return w.Flush()
}

// inContext is the first line, where contexts are declared.
func (v View) inContext(p *planner.Plan) string {
	if p.Context == "" {
		return ""
	}
	line := v.Bold("Context: " + p.Context)
	if p.Protected {
		line += " " + v.paint("yellow", "(protected)")
	}
	return line + "\n\n"
}

func noChanges(p *planner.Plan) string {
	switch {
	case p.Partial():
		return "There is nothing to do for what this plan is about."
	case p.Destroy:
		return "There is nothing to destroy."
	}
	return "Your infrastructure matches the configuration."
}

// recordings writes what a plan that only records will write to the state.
func (v View) recordings(p *planner.Plan) string {
	pr := &printer{view: v}
	for _, c := range p.Changes {
		if len(c.Drift) == 0 {
			continue
		}
		has, s := "has changed", changed
		if c.After.IsNull() {
			has, s = "has been "+v.paint("red", "deleted"), removed
		}
		pr.comment(c.Address, " ", has)
		pr.block(0, s, headOf(c.Kind, c.Address), "", v.Schemas[c.Kind], c.Before, c.After)
		pr.end()
	}
	if p.Empty() {
		return v.paint("green", "No changes.") + " What is there is what the state records.\n" + v.checks(p.Checks)
	}
	var b strings.Builder
	if len(pr.b) > 0 {
		b.WriteString(v.Bold("Note:") + " objects have changed outside of Stowage since the last apply:\n\n" + string(pr.b))
	}
	if o := v.outputChanges(p); o != "" {
		b.WriteString(strings.TrimPrefix(o, "\n") + "\n")
	}
	if c := v.checks(p.Checks); c != "" {
		b.WriteString(strings.TrimPrefix(c, "\n") + "\n")
	}
	b.WriteString("This plan writes that to the state, and touches nothing. To undo the changes instead, plan without -refresh-only.\n\n")
	b.WriteString(v.summary(p) + "\n")
	return b.String()
}

// legend explains the symbols that this plan uses.
func (v View) legend(p *planner.Plan) string {
	used := map[symbol]bool{}
	for _, c := range p.Changes {
		used[symbolOfChange(c)] = true
	}
	pr := &printer{view: v}
	for _, l := range []struct {
		symbol symbol
		text   string
	}{
		{added, "create"},
		{changed, "update in-place"},
		{renewed, "destroy and then create replacement"},
		{renewing, "create replacement and then destroy"},
		{removed, "destroy"},
		{parted, "forget, without destroying"},
		{fetched, "read (data sources)"},
	} {
		if used[l.symbol] {
			pr.line(0, l.symbol, l.text)
		}
	}
	symbols := "Resource actions are indicated with the following symbols:\n" + string(pr.b) + "\n"
	if len(pr.b) == 0 {
		if n := p.Count(); n.Move+n.Import == 0 {
			return ""
		}
		symbols = ""
	}
	return symbols + "Stowage will perform the following actions:\n"
}

// summary is the one line that says how much changes.
func (v View) summary(p *planner.Plan) string {
	if p.RefreshOnly {
		n := 0
		for _, c := range p.Changes {
			if len(c.Drift) > 0 {
				n++
			}
		}
		return v.Bold("Plan:") + fmt.Sprintf(" %s to record.", plural(n, "change"))
	}
	n := p.Count()
	if n.Add+n.Change+n.Destroy+n.Forget+n.Move+n.Import > 0 {
		return v.Bold("Plan:") + " " + summarize(n) + "."
	}
	what := "save these new output values to the state"
	if len(p.Transfers) > 0 {
		what = "send these images to their hosts"
	}
	return v.Bold("Plan:") + " 0 to add, 0 to change, 0 to destroy. You can apply this plan to " + what + ", without changing any resource."
}

// summarize counts what a plan does; what most plans do not do is told only if it does.
func summarize(n planner.Counts) string {
	text := fmt.Sprintf("%d to add, %d to change, %d to destroy", n.Add, n.Change, n.Destroy)
	if n.Move > 0 {
		text = fmt.Sprintf("%d to move, ", n.Move) + text
	}
	if n.Import > 0 {
		text = fmt.Sprintf("%d to import, ", n.Import) + text
	}
	if n.Forget > 0 {
		text += fmt.Sprintf(", %d to forget", n.Forget)
	}
	return text
}

// notes tells what has happened since the last apply, before what will: an apply
// that was cut off, drift, and what controllers healed.
func (v View) notes(p *planner.Plan) string {
	var b strings.Builder
	b.WriteString(v.interrupted(p.Interrupted))
	if p.Partial() {
		b.WriteString(v.Bold("Note:") + " this plan is partial: " + printable(p.Given()) + "\n\n")
	}
	var drift, healed strings.Builder
	for _, c := range p.Changes {
		if len(c.Drift) > 0 && !p.RefreshOnly {
			drift.WriteString("\n  " + v.Bold("# "+c.Address) + " has changed\n")
			for _, d := range c.Drift {
				drift.WriteString("    " + v.paint("yellow", "~") + " " + causesText([]providers.Cause{d}) + "\n")
			}
		}
		for _, h := range c.Healed {
			healed.WriteString("  " + c.Address + ": " + printable(h) + "\n")
		}
	}
	if drift.Len() > 0 {
		b.WriteString(v.Bold("Note:") + " objects have changed outside of Stowage since the last apply:\n")
		b.WriteString(drift.String() + "\n")
		b.WriteString("Unless the configuration says the same, this plan undoes these changes.\n\n")
	}
	if healed.Len() > 0 {
		b.WriteString(v.Bold("Note:") + " the cluster healed itself since the last apply; nothing has to be done about it:\n\n")
		b.WriteString(healed.String() + "\n")
	}
	return b.String()
}

func (v View) interrupted(i *planner.Interrupted) string {
	if i == nil {
		return ""
	}
	var b strings.Builder
	operation := cmp.Or(printable(i.Operation), "apply")
	started := i.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	if i.Running {
		fmt.Fprintf(&b, "%s the %s that %s began at %s runs right now. This plan shows what is left to do after what it has finished\nso far; plan again when it has ended.\n",
			v.Bold("Note:"), operation, printable(i.By), started)
	} else {
		fmt.Fprintf(&b, "%s the %s that %s began at %s did not end. This plan continues from what it finished:\n",
			v.Bold("Note:"), operation, printable(i.By), started)
	}
	fmt.Fprintf(&b, "  finished:  %s\n", addresses(i.Done))
	fmt.Fprintf(&b, "  under way: %s\n\n", addresses(i.Underway))
	return b.String()
}

// addresses lists a few addresses and counts the rest.
func addresses(list []string) string {
	const few = 8
	switch n := len(list); {
	case n == 0:
		return "nothing"
	case n > few:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), n-few)
	}
	return strings.Join(list, ", ")
}

// outputChanges lists the outputs that differ.
func (v View) outputChanges(p *planner.Plan) string {
	pr := &printer{view: v}
	pr.outputs(p)
	if len(pr.b) == 0 {
		return ""
	}
	return "\n" + v.Bold("Changes to outputs:") + "\n" + string(pr.b)
}

func (pr *printer) outputs(p *planner.Plan) {
	longest := 0
	for _, o := range p.Outputs {
		if o.Action != planner.NoOp {
			longest = max(longest, len(o.Name))
		}
	}
	for _, o := range p.Outputs {
		if o.Action == planner.NoOp {
			continue
		}
		before, after := o.Before, o.After
		if o.Sensitive {
			before, after = conceal(before), conceal(after)
		}
		pr.value(0, lead{name: o.Name, pad: longest - len(o.Name)}, before, after, "", nil)
	}
}

// transfers lists the image content that goes to each host.
func (v View) transfers(p *planner.Plan) string {
	if len(p.Transfers) == 0 {
		return ""
	}
	var rows [][]string
	var sum int64
	for _, t := range p.Transfers {
		sum += t.Bytes
		rows = append(rows, []string{printable(t.Image) + " → " + t.Node + ":", transferSize(t)})
	}
	return "\n" + v.Bold("Transfers") + ": " + bytesIn(sum) + "\n" + table("  ", rows)
}

// Saved tells where a plan went and, unless that is all, what to do with it.
func (v View) Saved(w io.Writer, path string, all bool) error {
	if all {
		_, err := fmt.Fprintf(w, "\nSaved the plan to: %s\n", path)
		return err
	}
	_, err := fmt.Fprintf(w, "\nSaved the plan to: %s\n\nTo perform exactly these actions, run:\n    stowage apply %s\n", path, shellWord(path))
	return err
}

// shellWord quotes a path for a shell where it needs it.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=+,@:-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
