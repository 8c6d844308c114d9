package view

import (
	"strings"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// CheckJSON is the outcome of the conditions of one resource instance, output or check block.
type CheckJSON struct {
	Address  string   `json:"address"`
	Kind     string   `json:"kind"`   // resource, output, check
	Status   string   `json:"status"` // pass, fail, error, unknown
	Problems []string `json:"problems,omitempty"`
}

func checksJSON(checks []planner.Checked) []CheckJSON {
	var out []CheckJSON
	for _, c := range checks {
		out = append(out, CheckJSON{c.Address, c.Kind, string(c.Status), c.Problems})
	}
	return out
}

var statusText = map[lang.Status]string{lang.Fail: "failed", lang.Errored: "could not be evaluated", lang.Unknown: unknownText}

// unpassed are the outcomes of the check blocks that are not passed.
func unpassed(list []planner.Checked) []planner.Checked {
	var out []planner.Checked
	for _, c := range list {
		if c.Kind == "check" && c.Status != lang.Pass {
			out = append(out, c)
		}
	}
	return out
}

// outcome is how a check ended, on one line.
func outcome(c planner.Checked) string {
	text := statusText[c.Status]
	if len(c.Problems) > 0 {
		text += ": " + strings.Join(strings.Fields(strings.Join(c.Problems, " ")), " ")
	}
	return printable(text)
}

// checks lists the check blocks that are not passed, each on one line.
func (v View) checks(list []planner.Checked) string {
	var rows [][]string
	for _, c := range unpassed(list) {
		rows = append(rows, []string{c.Address + ":", outcome(c)})
	}
	if len(rows) == 0 {
		return ""
	}
	return "\n" + v.Bold("Checks") + " that are not passed, which keeps nothing from being done:\n" + table("  ", rows)
}
