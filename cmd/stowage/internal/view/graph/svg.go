package graph

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"
)

// style colours a drawing that stands alone, by the reader's preference. A page
// that holds one brings its own.
const style = `.stowage-graph{font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;--bg:#fff;--fg:#1b2430;--dim:#5a6675;--line:#9aa7b5;--none:#eef1f4;--create:#1a7f3c;--update:#8a6100;--replace:#b04a00;--delete:#c0222f;--read:#1763b6;--push:#5b4bc4}
@media(prefers-color-scheme:dark){.stowage-graph{--bg:#10151c;--fg:#e4eaf1;--dim:#9dabba;--line:#566373;--none:#1d2530;--create:#4cc272;--update:#e0b040;--replace:#f08c4a;--delete:#ff7b80;--read:#6cb2f5;--push:#a79bff}}
.stowage-graph .paper{fill:var(--bg)}
` + Style

// Style is the part of a drawing's colours that a page needs that has the
// properties --bg, --fg, --dim, --line, --none and one for each class.
const Style = `.stowage-graph text{fill:var(--fg)}.stowage-graph .note,.stowage-graph .step{fill:var(--dim);font-size:11px}
.stowage-graph rect.box{fill:var(--bg);stroke:var(--line);stroke-width:1.25}.stowage-graph .bar{fill:var(--line)}
.stowage-graph path.edge{fill:none;stroke:var(--line);stroke-width:1.4}.stowage-graph .tip,.stowage-graph .join{fill:var(--line)}
.stowage-graph .column{fill:var(--none);opacity:.55}
.stowage-graph .create .bar{fill:var(--create)}.stowage-graph .create rect.box{stroke:var(--create)}
.stowage-graph .update .bar{fill:var(--update)}.stowage-graph .update rect.box{stroke:var(--update)}
.stowage-graph .replace .bar{fill:var(--replace)}.stowage-graph .replace rect.box{stroke:var(--replace)}
.stowage-graph .delete .bar{fill:var(--delete)}.stowage-graph .delete rect.box{stroke:var(--delete);stroke-dasharray:4 3}
.stowage-graph .read .bar{fill:var(--read)}.stowage-graph .read rect.box{stroke:var(--read)}
.stowage-graph .push .bar{fill:var(--push)}.stowage-graph .push rect.box{stroke:var(--push)}
`

// SVG writes the graph as a drawing that stands alone.
func SVG(out io.Writer, g *Graph) error {
	w := bufio.NewWriter(out)
	Layout(g).write(w, style)
	w.WriteByte('\n')
	return w.Flush()
}

// Inline writes a drawing for a page that has Style.
func (d *Drawing) Inline(out io.Writer) error {
	w := bufio.NewWriter(out)
	d.write(w, "")
	return w.Flush()
}

func (d *Drawing) write(w *bufio.Writer, style string) {
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" class="stowage-graph" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		d.Width, d.Height, d.Width, d.Height, html.EscapeString(d.title()))
	if style != "" {
		fmt.Fprintf(w, "\n<style>%s</style><rect class=\"paper\" width=\"%d\" height=\"%d\"/>", style, d.Width, d.Height)
	}
	steps := d.Graph.Name == "plan"
	for i, c := range d.Columns {
		fmt.Fprintf(w, "\n"+`<rect class="column" x="%d" y="8" width="%d" height="%d" rx="8"/>`, c.X-8, c.W+16, d.Height-16)
		if steps {
			fmt.Fprintf(w, `<text class="step" x="%d" y="28">step %d</text>`, c.X, i+1)
		}
	}
	for _, l := range d.Lines {
		fmt.Fprintf(w, "\n"+`<path class="edge" data-from="%d" data-to="%d" d="%s"/>`, l.Edge.From, l.Edge.To, curve(l.Points))
		end := l.Points[len(l.Points)-1]
		fmt.Fprintf(w, `<path class="tip" data-from="%d" data-to="%d" d="M%d %dl-7 -4v8z"/>`, l.Edge.From, l.Edge.To, end.X, end.Y)
	}
	for i, n := range d.Graph.Nodes {
		w.WriteByte('\n')
		d.node(w, i, n)
	}
	w.WriteString("\n</svg>")
}

func (d *Drawing) title() string {
	what := "dependencies of the configuration's blocks"
	if d.Graph.Name == "plan" {
		what = "the steps of the plan, in the order of the apply"
	}
	return fmt.Sprintf("Graph of %s: %d nodes, %d edges", what, len(d.Graph.Nodes), len(d.Graph.Edges))
}

func (d *Drawing) node(w *bufio.Writer, i int, n Node) {
	b := d.Boxes[i]
	if n.Class == "join" {
		fmt.Fprintf(w, `<circle class="join node" data-node="%d" cx="%d" cy="%d" r="3"><title>%s</title></circle>`, i, b.X+b.W/2, b.Y+b.H/2, html.EscapeString(clean(n.Label)))
		return
	}
	if n.Link != "" {
		fmt.Fprintf(w, `<a href="%s">`, html.EscapeString(clean(n.Link)))
	}
	title := n.Label
	if n.Note != "" {
		title += ": " + n.Note
	}
	fmt.Fprintf(w, `<g class="node %s" data-node="%d"><title>%s</title><rect class="box" x="%d" y="%d" width="%d" height="%d" rx="6"/><rect class="bar" x="%d" y="%d" width="4" height="%d" rx="2"/>`,
		n.Class, i, html.EscapeString(title), b.X, b.Y, b.W, b.H, b.X+5, b.Y+6, b.H-12)
	y := b.Y + 25
	if n.Note != "" {
		y = b.Y + 17
	}
	fmt.Fprintf(w, `<text x="%d" y="%d">%s</text>`, b.X+16, y, html.EscapeString(ellipsis(n.Label, maxLabel)))
	if n.Note != "" {
		fmt.Fprintf(w, `<text class="note" x="%d" y="%d">%s</text>`, b.X+16, b.Y+32, html.EscapeString(ellipsis(n.Note, maxLabel+6)))
	}
	w.WriteString("</g>")
	if n.Link != "" {
		w.WriteString("</a>")
	}
}

// ellipsis shortens the middle of text to n characters: both ends of an address tell it from others.
func ellipsis(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := n * 3 / 5
	return string(r[:head]) + "…" + string(r[len(r)-(n-head-1):])
}

// curve leads through points: across gaps in curves, through layers straight on.
func curve(points []Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%d %d", points[0].X, points[0].Y)
	for k := 1; k < len(points); k++ {
		from, to := points[k-1], points[k]
		if k%2 == 0 || from.Y == to.Y {
			fmt.Fprintf(&b, "L%d %d", to.X, to.Y)
			continue
		}
		middle := (from.X + to.X) / 2
		fmt.Fprintf(&b, "C%d %d %d %d %d %d", middle, from.Y, middle, to.Y, to.X, to.Y)
	}
	return b.String()
}
