package selector

import (
	"errors"
	"strings"
	"testing"
)

// What matches a node with zone = a, disk = ssd, a/b = "x y", spot = "".
func TestMatch(t *testing.T) {
	labels := map[string]string{"zone": "a", "disk": "ssd", "a/b": "x y", "spot": ""}
	for text, want := range map[string]bool{
		"":                                 true,
		"zone":                             true,
		"gpu":                              false,
		"!gpu":                             true,
		"not gpu":                          true,
		"not not gpu":                      false,
		"zone = a":                         true,
		"zone == b":                        false,
		"zone != b":                        true,
		"gpu != b":                         true, // absent, as in Kubernetes
		"zone in (a, b)":                   true,
		"zone in (b)":                      false,
		"zone notin (b,c)":                 true,
		"zone not in (a)":                  false,
		"gpu notin (a)":                    true,
		"zone in (a, b) and !spot":         false,
		"zone = b or disk = ssd":           true,
		"zone = b or disk = ssd and gpu":   false,
		"(zone = b or disk = ssd) and gpu": false,
		"zone=a,disk=ssd":                  true,
		"zone=a && !(disk=hdd || gpu)":     true,
		`"a/b" = "x y"`:                    true,
		`a/b = "x y"`:                      true,
		`spot = ""`:                        true,
		`"in" or zone`:                     true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := e.Match(labels); got != want {
			t.Errorf("%q is %v", text, got)
		}
		again, err := Parse(e.String())
		if err != nil || again.String() != e.String() || again.Match(labels) != want {
			t.Errorf("%q is printed as %q (%v)", text, e, err)
		}
	}
}

func TestKeys(t *testing.T) {
	e, err := Parse("zone in (a) and (!spot or zone = b)")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.Keys(), " "); got != "spot zone" {
		t.Errorf("keys %q", got)
	}
}

// Errors point at the place.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"zone in a":                       `column 9: a list of values in parentheses is expected, not "a"`,
		"zone = ":                         `column 8: a value is expected, not the end`,
		"zone in (a":                      `column 11: "," or ")" is expected, not the end`,
		"zone in ()":                      `column 10: a value is expected, not ")"`,
		"and zone":                        `column 1: a label's name is expected, not "and"`,
		"zone and":                        `column 9: a label's name is expected, not the end`,
		"zone disk":                       `column 6: "and", "or" or the end is expected, not "disk"`,
		"(zone":                           `column 1: this "(" is not closed`,
		"zone)":                           `column 5: "and", "or" or the end is expected, not ")"`,
		"zone > 3":                        `column 6: '>' does not belong into a label expression; quote it if it is part of a value`,
		`zone = "a`:                       `column 8: this quote is not closed`,
		"zone not = a":                    `column 10: "in" is expected after "zone not"`,
		"((((" + strings.Repeat("(", 200): `column 101: it is nested too deeply`,
	} {
		_, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"zone in (a, b) and !spot", `"x \" y" != z or (a, b)`, "a notin (b) && not c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		labels := map[string]string{"zone": "a", "b": ""}
		again, err := Parse(e.String())
		if err != nil || again.String() != e.String() || again.Match(labels) != e.Match(labels) {
			t.Errorf("%q is printed as %q, which is parsed as %v, %v", text, e, again, err)
		}
	})
}
