package functions

import (
	_ "embed"
	"strings"
)

//go:embed reference.txt
var reference string

// Entry is what reference.txt says of a function.
type Entry struct {
	Name        string
	Group       string // "Numbers", "Text", …
	Description string
	Examples    []Example
}

// Example is a call and its result, both as expressions of the language.
type Example struct {
	Call   string `json:"call"`
	Result string `json:"result"`
}

// Reference explains every function of the table: in groups, and sorted within
// each. The text is parsed anew by each call.
func Reference() []Entry {
	var entries []Entry
	group := ""
	for _, line := range strings.Split(reference, "\n") {
		switch {
		case line == "":
		case strings.HasPrefix(line, "# "):
			group = line[2:]
		case !strings.HasPrefix(line, "  "):
			entries = append(entries, Entry{Name: line, Group: group})
		default:
			e := &entries[len(entries)-1]
			if call, result, ok := strings.Cut(line[2:], " → "); ok {
				e.Examples = append(e.Examples, Example{call, result})
			} else {
				e.Description = strings.TrimPrefix(e.Description+" "+line[2:], " ")
			}
		}
	}
	return entries
}
