package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// dotColors fill the nodes of each class.
var dotColors = map[string]string{
	"create": "#d7f5dd", "update": "#fdf0c8", "replace": "#ffe0cc", "delete": "#ffd9d9", "read": "#dceeff", "push": "#e4e0ff", "block": "#eef1f4",
}

// DOT writes the graph in Graphviz's language. As in Terraform's, an edge leads
// from what waits to what it waits for.
func DOT(out io.Writer, g *Graph) error {
	w := bufio.NewWriter(out) // it keeps the first error for Flush
	fmt.Fprintf(w, "digraph %s {\n  rankdir = \"RL\";\n  node [shape = rect, style = filled, fontname = \"sans-serif\", fillcolor = \"#eef1f4\"];\n", dotQuote(g.Name))
	for _, n := range g.Nodes {
		attributes := ""
		label := n.Label
		if n.Note != "" {
			label += "\n" + n.Note
		}
		if label != n.ID {
			attributes = "label = " + dotQuote(label)
		}
		if n.Class == "join" {
			attributes = `label = "", shape = point`
		} else if c := dotColors[n.Class]; c != "" && n.Class != "block" {
			attributes = strings.TrimPrefix(attributes+", ", ", ") + "fillcolor = " + dotQuote(c)
		}
		if attributes != "" {
			attributes = " [" + attributes + "]"
		}
		fmt.Fprintf(w, "  %s%s;\n", dotQuote(n.ID), attributes)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(w, "  %s -> %s;\n", dotQuote(g.Nodes[e.To].ID), dotQuote(g.Nodes[e.From].ID))
	}
	w.WriteString("}\n")
	return w.Flush()
}

// dotQuote writes a string as DOT reads it back, and never as anything else.
func dotQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		default:
			b.WriteString(clean(string(r)))
		}
	}
	b.WriteByte('"')
	return b.String()
}
