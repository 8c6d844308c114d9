package cli

import (
	"flag"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/lang"
)

// Flags are a command's flags. One or two dashes are the same, and they may
// stand anywhere among the arguments.
type Flags struct {
	set  *flag.FlagSet
	list []*described
}

type described struct {
	name, value, doc string
	isBool           bool
	files            string          // glob that completes its value
	words            func() []string // complete its value instead
	hidden           bool
}

func newFlags(name string) *Flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return &Flags{set: set}
}

// Bool declares -name.
func (f *Flags) Bool(name string, value bool, doc string) *bool {
	p := new(bool)
	f.BoolVar(p, name, value, doc)
	return p
}

// BoolVar is Bool into p.
func (f *Flags) BoolVar(p *bool, name string, value bool, doc string) {
	d := &described{name: name, doc: doc, isBool: true}
	if value {
		d.value = "false"
	}
	f.list = append(f.list, d)
	f.set.BoolVar(p, name, value, doc)
}

// String declares -name=VALUE. placeholder stands for the value in the help.
func (f *Flags) String(name, placeholder, value, doc string) *string {
	f.list = append(f.list, &described{name: name, value: placeholder, doc: doc})
	return f.set.String(name, value, doc)
}

// File is String for a path; glob completes it.
func (f *Flags) File(name, placeholder, glob, doc string) *string {
	s := f.String(name, placeholder, "", doc)
	f.list[len(f.list)-1].files = glob
	return s
}

// IntVar declares -name=N, a whole number of at least one, into p.
func (f *Flags) IntVar(p *int, name string, value int, doc string) {
	*p = value
	f.list = append(f.list, &described{name: name, value: "N", doc: doc})
	f.set.Var((*number)(p), name, doc)
}

// DurationVar declares -name=DURATION into p.
func (f *Flags) DurationVar(p *time.Duration, name string, value time.Duration, doc string) {
	*p = value
	f.list = append(f.list, &described{name: name, value: "DURATION", doc: doc})
	f.set.Var((*duration)(p), name, doc)
}

// Func declares -name=VALUE that may be given several times.
func (f *Flags) Func(name, placeholder, glob, doc string, set func(string) error) {
	f.list = append(f.list, &described{name: name, value: placeholder, doc: doc, files: glob})
	f.set.Func(name, doc, set)
}

// Complete completes the value of a declared flag with what words returns when a
// shell asks.
func (f *Flags) Complete(name string, words func() []string) {
	for _, d := range f.list {
		if d.name == name {
			d.words = words
		}
	}
}

// common declares the flags that every command takes.
func (f *Flags) common(t *Terminal) {
	f.list = append(f.list, &described{name: "no-color", isBool: true, hidden: true})
	f.set.BoolFunc("no-color", "", func(string) error { t.NoColor(); return nil })
	if f.set.Lookup("input") == nil {
		f.list = append(f.list, &described{name: "input", value: "false", isBool: true, hidden: true})
		f.set.BoolVar(&t.Input, "input", t.Input, "")
	}
}

// context declares -context, which every command takes that reads a configuration or state.
func (f *Flags) context(t *Terminal, names func() []string) {
	f.list = append(f.list, &described{name: "context", value: "NAME", doc: "Work in this context; see \"stowage context list\"", words: names})
	f.set.Func("context", "", t.setContext)
}

// help lists the flags, sorted.
func (f *Flags) help() string {
	list := append([]*described{}, f.list...)
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	var b strings.Builder
	for _, d := range list {
		if d.hidden {
			continue
		}
		text := "-" + d.name
		if d.value != "" {
			text += "=" + d.value
		}
		if len(text) > 22 {
			fmt.Fprintf(&b, "  %s\n%s", text, indent(d.doc, 26))
			continue
		}
		fmt.Fprintf(&b, "  %-22s  %s", text, strings.TrimLeft(indent(d.doc, 26), " "))
	}
	return b.String()
}

// indent wraps text at 80 columns, each line behind n spaces.
func indent(text string, n int) string {
	var b strings.Builder
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && n+len(line)+1+len(w) > 80 {
			b.WriteString(strings.Repeat(" ", n) + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	b.WriteString(strings.Repeat(" ", n) + line + "\n")
	return b.String()
}

// parse sets the flags among args and returns the others. Errors are for one line.
func (f *Flags) parse(args []string) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return append(rest, args...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		fl := f.set.Lookup(name)
		if fl == nil {
			return nil, fmt.Errorf("unknown flag -%s%s", name, didYouMean(name, f.names(), "-"))
		}
		b, ok := fl.Value.(interface{ IsBoolFlag() bool })
		switch isBool := ok && b.IsBoolFlag(); {
		case given:
		case isBool:
			value = "true"
		case len(args) == 0:
			return nil, fmt.Errorf("flag -%s needs a value", name)
		default:
			value, args = args[0], args[1:]
		}
		if err := f.set.Set(name, value); err != nil {
			return nil, fmt.Errorf("invalid value %q of flag -%s: %s", value, name, reason(err))
		}
	}
	return rest, nil
}

// reason is what flag's own types say of a value, without their internals.
func reason(err error) string {
	if strings.Contains(err.Error(), "parse error") || strings.Contains(err.Error(), "invalid boolean value") {
		return "it is true or false"
	}
	return err.Error()
}

// Given are the names of the flags that the command line sets, sorted.
func (f *Flags) Given() []string {
	var names []string
	f.set.Visit(func(fl *flag.Flag) { names = append(names, fl.Name) })
	return names
}

func (f *Flags) names() []string {
	var names []string
	for _, d := range f.list {
		names = append(names, d.name)
	}
	return append(names, "help")
}

func didYouMean(typed string, among []string, prefix string) string {
	if s := lang.Suggest(typed, among); s != "" {
		return fmt.Sprintf("; did you mean %s?", quoteUnlessFlag(prefix+s, prefix))
	}
	return ""
}

func quoteUnlessFlag(s, prefix string) string {
	if prefix != "" {
		return s
	}
	return strconv.Quote(s)
}

type number int

// String and Set implement flag.Value.
func (n *number) String() string { return strconv.Itoa(int(*n)) }

// Set reads a number.
func (n *number) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 {
		return fmt.Errorf("it is a whole number of at least 1")
	}
	*n = number(v)
	return nil
}

type duration time.Duration

// String and Set implement flag.Value.
func (d *duration) String() string { return time.Duration(*d).String() }

// Set reads a duration.
func (d *duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("it is a duration like 30s or 5m")
	}
	*d = duration(v)
	return nil
}
