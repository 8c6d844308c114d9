// Package html lays out a plan as one page that stands alone: no network, no
// font, no frame; a script only folds, filters and highlights what can be read
// without it. A policy in the page forbids everything else.
//
// Whatever others wrote is escaped by html/template, or by html.EscapeString
// where a diff or a drawing is put together. The page is bounded: what is left
// out of a huge plan is counted, and said.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"slices"
	"sync"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/graph"
	"github.com/stowage-iac/stowage/planner"
)

//go:embed page.tmpl
var pageText string

//go:embed page.css
var styleText string

//go:embed page.js
var scriptText string

// page is parsed when the first page is written: other commands do not pay for it.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// data is what the template lays out.
type data struct {
	*view.Report
	Policy string
	Style  template.CSS
	Script template.JS

	Title   string
	Counts  []count
	Groups  []group
	Unshown []count // changes that have no entry, by action
	Graph   template.HTML
	Layers  []layer
	Folded  bool // steps are drawn together
	Left    int  // steps that are not drawn
	Cards   []card
	Rest    []view.NodeReport // nodes without a card
	NoRoom  int               // nodes without either
	Outputs template.HTML
}

// count is how many changes there are of an action.
type count struct {
	Class, Symbol, Words string
	N                    int
}

// Plan writes the page of a plan.
func Plan(w io.Writer, v view.View, p *planner.Plan) error {
	r := v.Report(p)
	style := styleText + graph.Style
	d := data{
		Report: r, Title: title(r), Style: template.CSS(style), Script: template.JS(scriptText), Counts: counts(r),
		Policy: "default-src 'none'; style-src '" + hash(style) + "'; script-src '" + hash(scriptText) + "'; base-uri 'none'; form-action 'none'",
	}
	if !r.Empty {
		d.Groups, d.Unshown = groups(r)
		d.Outputs = diffHTML(r.Outputs, maxDiff)
		d.Cards, d.Rest, d.NoRoom = cards(r)
		if err := d.draw(p); err != nil {
			return err
		}
	}
	return page().Execute(w, d)
}

// hash is a source of the policy: exactly this text may run, or style.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func title(r *view.Report) string {
	if r.Context != "" {
		return "Stowage plan for " + r.Context
	}
	return "Stowage plan"
}

// actions are in the order in which a reviewer wants to see them.
var actions = []planner.Action{planner.Delete, planner.Replace, planner.Update, planner.Forget, planner.Create, planner.Read}

func counts(r *view.Report) []count {
	var out []count
	seen := map[planner.Action]int{}
	for _, c := range r.Changes {
		i, ok := seen[c.Action]
		if !ok {
			i = len(out)
			seen[c.Action] = i
			out = append(out, count{Class: string(c.Action), Symbol: c.Symbol, Words: string(c.Action)})
		}
		out[i].N++
	}
	slices.SortStableFunc(out, func(a, b count) int {
		return slices.Index(actions, planner.Action(a.Class)) - slices.Index(actions, planner.Action(b.Class))
	})
	return out
}
