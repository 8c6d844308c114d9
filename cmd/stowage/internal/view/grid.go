package view

import "bytes"

// grid aligns rows into columns two spaces apart. The cells are written into text one
// by one; a grid that was written can be filled again.
type grid struct {
	text   []byte
	cells  []cell
	widths []int // of the columns
	row    int   // cells in the row that is being filled
}

// cell is where a cell ends in the text, and how wide it is.
type cell struct {
	end, width int
	last       bool // in its row
}

// add appends a cell, or some text and ends the cell with it.
func (g *grid) add(text string) {
	g.text = append(g.text, text...)
	g.end()
}

// end ends the cell that was written into text.
func (g *grid) end() {
	start := 0
	if n := len(g.cells); n > 0 {
		start = g.cells[n-1].end
	}
	c := cell{end: len(g.text), width: columns(g.text[start:])}
	if g.row == len(g.widths) {
		g.widths = append(g.widths, 0)
	}
	g.widths[g.row] = max(g.widths[g.row], c.width)
	g.cells = append(g.cells, c)
	g.row++
}

// endRow ends a row that has a cell.
func (g *grid) endRow() {
	g.cells[len(g.cells)-1].last = true
	g.row = 0
}

// appendTo appends the rows, indented and without trailing space, and empties the grid.
func (g *grid) appendTo(b []byte, indent string) []byte {
	start, row := 0, 0
	for _, c := range g.cells {
		if row == 0 {
			b = append(b, indent...)
		}
		b = append(b, g.text[start:c.end]...)
		start = c.end
		if !c.last {
			b = appendSpaces(b, g.widths[row]-c.width+2)
			row++
			continue
		}
		b = append(bytes.TrimRight(b, " "), '\n')
		row = 0
	}
	g.text, g.cells, g.widths = g.text[:0], g.cells[:0], g.widths[:0]
	return b
}

// table aligns rows into columns two spaces apart, indented, without trailing space.
func table(indent string, rows [][]string) string {
	var g grid
	for _, row := range rows {
		for _, cell := range row {
			g.add(cell)
		}
		g.endRow()
	}
	return string(g.appendTo(nil, indent))
}
