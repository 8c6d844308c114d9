package graph

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/viewtest"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers/registry"
)

var update = flag.Bool("update", false, "write the goldens anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func write(t interface{ Fatal(...any) }, as func(io.Writer, *Graph) error, g *Graph) string {
	var b bytes.Buffer
	if err := as(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPlan draws a plan in which everything happens, in both formats.
func TestPlan(t *testing.T) {
	g := Plan(viewtest.Rich(), func(change int) string { return fmt.Sprintf("#c%d", change) })
	golden(t, "plan.dot", write(t, DOT, g))
	golden(t, "plan.svg", write(t, SVG, g))
}

// TestConfiguration draws the blocks of an example.
func TestConfiguration(t *testing.T) {
	cfg, diags := lang.Load("../../../../../examples/three-hosts", lang.Options{Schemas: registry.Schemas()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	golden(t, "configuration.dot", write(t, DOT, Configuration(cfg)))
}

// anyGraph draws a graph whose edges lead from smaller to larger nodes.
func anyGraph(t *rapid.T) *Graph {
	g := &Graph{Name: "plan"}
	n := rapid.IntRange(1, 40).Draw(t, "nodes")
	for i := range n {
		block := rapid.SampledFrom([]string{"pod.web", "config.site", "image.web"}).Draw(t, "block")
		class := rapid.SampledFrom([]string{"create", "delete", "join"}).Draw(t, "class")
		kind, _, _ := strings.Cut(block, ".")
		g.Nodes = append(g.Nodes, Node{ID: fmt.Sprint(i), Label: fmt.Sprintf("%s[%d]", block, i), Note: class, Class: class, Block: block, Kind: kind, Count: 1})
	}
	for range rapid.IntRange(0, 3*n).Draw(t, "edges") {
		a, b := rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b")
		if a != b {
			g.Edges = append(g.Edges, Edge{min(a, b), max(a, b)})
		}
	}
	return g
}

// reachable tells for each pair of nodes whether the second comes after the first.
func reachable(g *Graph) map[[2]int]bool {
	out := map[[2]int]bool{}
	next := g.successors()
	for i := range g.Nodes {
		stack := []int{i}
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, to := range next[at] {
				if !out[[2]int{i, to}] {
					out[[2]int{i, to}] = true
					stack = append(stack, to)
				}
			}
		}
	}
	return out
}

// TestReducedSaysTheSame: no order is lost or won by dropping edges, and none that is left is implied.
func TestReducedSaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		want := reachable(g)
		g.reduced()
		if diff := cmp.Diff(want, reachable(g)); diff != "" {
			t.Fatalf("another order:\n%s", diff)
		}
		for i, e := range g.Edges {
			less := &Graph{Nodes: g.Nodes, Edges: append(append([]Edge{}, g.Edges[:i]...), g.Edges[i+1:]...)}
			if reachable(less)[[2]int{e.From, e.To}] {
				t.Fatalf("the edge %v is implied", e)
			}
		}
	})
}

// TestLayout: every step stands right of what it waits for, boxes do not overlap,
// lines begin and end at boxes.
func TestLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Layout(anyGraph(t).reduced())
		for _, l := range d.Lines {
			from, to := d.Boxes[l.Edge.From], d.Boxes[l.Edge.To]
			first, last := l.Points[0], l.Points[len(l.Points)-1]
			if from.X+from.W >= to.X || first.X != from.X+from.W || last.X != to.X || first.Y != from.Y+from.H/2 || last.Y != to.Y+to.H/2 {
				t.Fatalf("line %v from %v to %v", l, from, to)
			}
		}
		for i, a := range d.Boxes {
			if a.X < 0 || a.Y < 0 || a.X+a.W > d.Width || a.Y+a.H > d.Height {
				t.Fatalf("box %v is outside of %d × %d", a, d.Width, d.Height)
			}
			for _, b := range d.Boxes[i+1:] {
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Fatalf("boxes %v and %v overlap", a, b)
				}
			}
		}
	})
}

// TestFoldedIsBounded: a folded graph is small, acyclic, and counts every step.
func TestFoldedIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		limit := rapid.IntRange(1, 30).Draw(t, "limit")
		want := len(g.Nodes)
		f := g.Folded(limit)
		_, order := f.levels()
		got := f.Left
		for _, n := range f.Nodes {
			got += n.Count
		}
		if len(f.Nodes) > limit || len(order) != len(f.Nodes) || got != want {
			t.Fatalf("%d nodes of at most %d, %d in order, %d steps of %d", len(f.Nodes), limit, len(order), got, want)
		}
	})
}

// TestLargePlan folds ten thousand steps, and draws the whole of a thousand.
func TestLargePlan(t *testing.T) {
	p := viewtest.Big(10_000)
	f := Plan(p, nil).Folded(160)
	if len(f.Nodes) == 0 || len(f.Nodes) > 160 {
		t.Errorf("%d nodes", len(f.Nodes))
	}
	whole := write(t, SVG, Plan(viewtest.Big(1_000), nil))
	if n := strings.Count(whole, `class="box"`); n != 1_010 {
		t.Errorf("%d of 1,010 steps are drawn", n)
	}
}

// TestHostileText stays text, in XML as in DOT.
func TestHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"`, `\`, `</text><script>`, `]]>`, "a\nb", `"; x -> y; "`, "\u202e", "&#0;", "<!--"})).Draw(t, "text")
		g := Plan(viewtest.Hostile(text), func(int) string { return text })
		elements := map[string]int{}
		x := xml.NewDecoder(strings.NewReader(write(t, SVG, g)))
		for {
			token, err := x.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if s, ok := token.(xml.StartElement); ok {
				elements[s.Name.Local]++
			}
		}
		for name := range elements {
			if !strings.Contains(" svg style rect text path g a title circle ", " "+name+" ") {
				t.Fatalf("%q: there is an element <%s>", text, name)
			}
		}
		dot := write(t, DOT, g)
		if n := strings.Count(dot, "\n"); n != 4+len(g.Nodes)+len(g.Edges) {
			t.Fatalf("%q: %d lines:\n%s", text, n, dot)
		}
		for _, line := range strings.Split(strings.TrimSpace(dot), "\n") {
			if unquoted(line) != strings.ReplaceAll(unquoted(line), "script", "") {
				t.Fatalf("%q: %s", text, line)
			}
		}
	})
}

// unquoted is a line of DOT without its strings.
func unquoted(line string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '"':
			quoted = !quoted
		case !quoted:
			b.WriteByte(line[i])
		}
	}
	return b.String()
}

// BenchmarkSVG draws plans of a thousand and of four thousand steps: the time for
// each should grow about as their number.
func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{1_000, 4_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := viewtest.Big(n)
			for b.Loop() {
				write(b, SVG, Plan(p, nil))
			}
		})
	}
}
