package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/command"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/functions"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
)

const (
	languageFile = "../../docs/language.md"
	kindsBegin   = "<!-- kinds: written by go test ./cmd/stowage -run TestLanguageReference -update -->\n"
	kindsEnd     = "<!-- end of kinds -->\n"
)

// TestLanguageReference keeps the part of docs/language.md that explains every
// kind as its schema has it.
func TestLanguageReference(t *testing.T) {
	text, err := os.ReadFile(languageFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), kindsBegin)
	have, after, ok2 := strings.Cut(rest, kindsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no part for the kinds", languageFile)
	}
	want := kindsReference()
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not as the schemas are; write it anew with -update:\n%s", languageFile, want)
	}
	if err := os.WriteFile(languageFile, []byte(before+kindsBegin+want+kindsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func kindsReference() string {
	kinds := registry.Kinds()
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		s := kinds[name].Schema()
		title := name
		if source, ok := strings.CutPrefix(name, data.Prefix); ok {
			title = fmt.Sprintf("data %q", source)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", title, s.Doc)
		b.WriteString("| argument | type | |\n| --- | --- | --- |\n")
		var later []string
		blockReference(&b, "", s, &later)
		if len(later) > 0 {
			fmt.Fprintf(&b, "\nNot in this version: %s.\n", strings.Join(later, ", "))
		}
	}
	return b.String() + "\n"
}

// blockReference writes the rows of a block and of those within it.
func blockReference(b *strings.Builder, path string, s *schema.Block, later *[]string) {
	for _, name := range sorted(s.Attributes) {
		a := s.Attributes[name]
		if a.Later != "" {
			*later = append(*later, "`"+path+name+"`")
			continue
		}
		title := "`" + path + name + "`"
		if a.Required {
			title = "**" + title + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", title, cell(typeOf(a)), cell(a.Doc+notes(a)))
	}
	for _, name := range sorted(s.Blocks) {
		n := s.Blocks[name]
		title := path + name
		if n.Label != "" {
			title += ` "` + strings.ToUpper(n.Label) + `"`
		}
		if n.Later != "" {
			*later = append(*later, "`"+title+"`")
			continue
		}
		facts := "block"
		if n.Nesting == schema.List {
			facts = "blocks"
		}
		if n.Required || n.Min > 0 {
			facts += ", at least one"
		}
		fmt.Fprintf(b, "| `%s {}` | %s | %s |\n", title, facts, cell(n.Doc))
		blockReference(b, path+name+".", &n.Block, later)
	}
}

func typeOf(a *schema.Attribute) string {
	if a.Ref == nil {
		return a.Type.FriendlyName()
	}
	text := "a block: " + strings.Join(a.Ref.Kinds, ", ")
	if a.Ref.OrString {
		text += "; or string"
	}
	return text
}

func notes(a *schema.Attribute) string {
	var out string
	if a.Computed && !a.Optional {
		out += " Read only."
	}
	if a.Default != cty.NilVal && !a.Default.IsNull() && !strings.Contains(strings.ToLower(a.Doc), "default") {
		switch a.Default.Type() {
		case cty.String:
			out += fmt.Sprintf(" Default %q.", a.Default.AsString())
		case cty.Number:
			out += fmt.Sprintf(" Default %s.", a.Default.AsBigFloat().Text('f', -1))
		case cty.Bool:
			out += fmt.Sprintf(" Default %t.", a.Default.True())
		}
	}
	if a.Sensitive {
		out += " Sensitive."
	}
	if a.Replace != "" {
		out += " A change replaces the resource."
	}
	return out
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestCommandReference: docs/cli.md tells of every command and of each of its flags.
func TestCommandReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, common, _ := strings.Cut(string(text), "| option of plan, apply, destroy |")
	flag := regexp.MustCompile(`(?m)^  (-[a-z-]+)`)
	for _, c := range command.App().Commands {
		row := regexp.MustCompile("(?m)^\\| (`[^`]*`, )*`" + c.Name + "[ `].*$").FindString(string(text))
		if row == "" {
			t.Errorf("docs/cli.md has no row for %s", c.Name)
			continue
		}
		_, options, _ := strings.Cut(c.Help(), "\nOptions:\n")
		options, _, _ = strings.Cut(options, "\nExample:\n")
		for _, m := range flag.FindAllStringSubmatch(options, -1) {
			if m[1] == "-context" && strings.Contains(string(text), "`-context=NAME`") {
				continue // said once, for all
			}
			if !strings.Contains(row, "`"+m[1]) && !(strings.Contains(row, "those below") && strings.Contains(common, "`"+m[1])) {
				t.Errorf("docs/cli.md does not mention %s of %s", m[1], c.Name)
			}
		}
	}
}

// TestFunctionReference keeps docs/functions.md as lang/functions/reference.txt is.
func TestFunctionReference(t *testing.T) {
	const file = "../../docs/functions.md"
	table := lang.Functions()
	var b strings.Builder
	b.WriteString("# Functions\n\n" +
		"Written by `go test ./cmd/stowage -run TestFunctionReference -update`; the tests evaluate every example.\n" +
		"`stowage functions NAME` shows the same, `stowage console` evaluates others.\n\n" +
		"A result is sensitive when an argument is, and known after apply when one is not known before.\n" +
		"What differs from call to call is not there, as a plan must be what its apply does:\n\n")
	for _, name := range sorted(functions.Refused) {
		fmt.Fprintf(&b, "- `%s`: %s\n", name, functions.Refused[name])
	}
	group := ""
	for _, e := range functions.Reference() {
		if e.Group != group {
			fmt.Fprintf(&b, "\n## %s\n", e.Group)
			group = e.Group
		}
		f := table[e.Name]
		var params []string
		for _, p := range f.Params() {
			params = append(params, p.Name)
		}
		if p := f.VarParam(); p != nil {
			params = append(params, p.Name+"...")
		}
		fmt.Fprintf(&b, "\n### %s(%s)\n\n%s\n\n```hcl\n", e.Name, strings.Join(params, ", "), strings.ReplaceAll(e.Description, "*", `\*`))
		for _, x := range e.Examples {
			fmt.Fprintf(&b, "%s # %s\n", x.Call, x.Result)
		}
		b.WriteString("```\n")
	}
	want := b.String()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != want {
		t.Fatalf("%s is not as the functions are (%v); write it anew with -update", file, err)
	}
}

const (
	stateFile     = "../../docs/state.md"
	backendsBegin = "<!-- backends: written by go test ./cmd/stowage -run TestBackendReference -update -->\n"
	backendsEnd   = "<!-- end of backends -->\n"
)

// TestBackendReference keeps the arguments of the backends in docs/state.md as
// their schemas have them, and loads every example that is there.
func TestBackendReference(t *testing.T) {
	text, err := os.ReadFile(stateFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), backendsBegin)
	have, after, ok2 := strings.Cut(rest, backendsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no part for the backends", stateFile)
	}
	if want := backendsReference(); have != want && !*update {
		t.Errorf("%s is not as the schemas are; write it anew with -update:\n%s", stateFile, want)
	} else if have != want {
		if err := os.WriteFile(stateFile, []byte(before+backendsBegin+want+backendsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, example := range regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		cfg, diags := lang.Load("", lang.Options{Backends: stateregistry.Schemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(example[1])}})
		if diags.HasErrors() {
			t.Errorf("%v in\n%s", diags, example[1])
			continue
		}
		b := cfg.Settings.Backend
		seen[b.Type] = true
		if _, err := stateregistry.Open(b.Type, b.Arguments, state.Env{Dir: t.TempDir(), Getenv: password}); err != nil {
			t.Errorf("%v in\n%s", err, example[1])
		}
	}
	for _, name := range stateregistry.Names() {
		if !seen[name] {
			t.Errorf("%s has no example of backend %q", stateFile, name)
		}
	}
}

func backendsReference() string {
	var b strings.Builder
	schemas := stateregistry.Schemas()
	for _, name := range stateregistry.Names() {
		s := schemas[name]
		fmt.Fprintf(&b, "\n### backend %q\n\n%s\n\n| argument | | |\n| --- | --- | --- |\n", name, s.Doc)
		for _, attr := range slices.Sorted(maps.Keys(s.Attributes)) {
			a := s.Attributes[attr]
			note := "optional"
			switch {
			case a.Sensitive:
				note = "refused here"
			case a.Required:
				note = "required"
			case a.Default != cty.NilVal && a.Type == cty.String:
				note = fmt.Sprintf("default `%q`", a.Default.AsString())
			case a.Default != cty.NilVal && a.Type == cty.Number:
				note = "default `" + a.Default.AsBigFloat().Text('f', -1) + "`"
			case a.Default != cty.NilVal && a.Type == cty.Bool:
				note = fmt.Sprintf("default `%t`", a.Default.True())
			}
			doc := a.Doc
			if a.Sensitive {
				doc += " " + a.Later
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", attr, note, strings.ReplaceAll(doc, "|", "\\|"))
		}
	}
	return b.String() + "\n"
}

// password stands for an environment that has the passwords and nothing else.
func password(name string) string {
	if strings.HasSuffix(name, "PASSWORD") {
		return "x"
	}
	return ""
}
