package view

import (
	"fmt"
	"io"
	"strings"
)

// Diff writes how a file changes, as a unified diff.
func (v View) Diff(w io.Writer, name string, before, after []byte) error {
	old, now := lines(string(before)), lines(string(after))
	steps := diff(len(old), len(now), func(i, j int) bool { return old[i] == now[j] })
	show := near(steps, 3)
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	// At each step, this many lines of both sides came before it.
	i, j := 0, 0
	for k := 0; k < len(steps); {
		if !show[k] {
			i, j, k = i+1, j+1, k+1
			continue
		}
		end := k
		for end < len(steps) && show[end] {
			end++
		}
		di, dj, text := v.hunk(steps[k:end], old, now)
		fmt.Fprintf(&b, "%s\n%s", v.paint("cyan", fmt.Sprintf("@@ -%s +%s @@", span(i, di), span(j, dj))), text)
		i, j, k = i+di, j+dj, end
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// hunk writes some steps, and counts the lines of both sides in them.
func (v View) hunk(steps []step, old, now []string) (di, dj int, text string) {
	var b strings.Builder
	for _, s := range steps {
		switch s.op {
		case keep:
			b.WriteString(" " + now[s.new] + "\n")
			di, dj = di+1, dj+1
		case drop:
			b.WriteString(v.paint("red", "-"+old[s.old]) + "\n")
			di++
		case insert:
			b.WriteString(v.paint("green", "+"+now[s.new]) + "\n")
			dj++
		}
	}
	return di, dj, b.String()
}

func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}
