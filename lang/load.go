package lang

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/lang/functions"
	"github.com/stowage-iac/stowage/lang/schema"
)

// Suffix of configuration files.
const Suffix = ".stowage.hcl"

// Load parses all *.stowage.hcl files of dir (or opts.Files) and checks all
// that can be checked without values. All errors are reported at once; with
// errors the Config holds what could be understood and must not be evaluated.
// It is never nil, so that its Files can serve for snippets.
func Load(dir string, opts Options) (*Config, hcl.Diagnostics) {
	return loadSharing(dir, opts, minCopies)
}

// loadSharing is Load where so many blocks that read the same are copies.
func loadSharing(dir string, opts Options, copies int) (*Config, hcl.Diagnostics) {
	c, sketched, diags := load(dir, opts, copies)
	if sketched && len(diags) > 0 {
		c, _, diags = load(dir, opts, 0)
	}
	return c, diags
}

// load is Load that may have other diagnostics where it reports that blocks were sketched.
// Without copies none are.
func load(dir string, opts Options, copies int) (c *Config, sketched bool, diags hcl.Diagnostics) {
	l := &loader{
		copies:    copies,
		opts:      opts,
		functions: Functions(),
		shapes:    map[*schema.Block]*shape{},
		dirs:      map[string][]string{}, identities: map[string]os.FileInfo{},
		module: newModule("", dir),
		config: &Config{
			loaded:  loaded{writeOnly: map[string]bool{}},
			Dir:     dir,
			Files:   map[string]*hcl.File{},
			Sources: map[string][]byte{},
		},
	}
	l.module.relative = "."
	c = l.config
	c.opts, c.snapshot = opts, opts.Files
	c.Root, c.Variables, c.Locals = l.module, l.module.Variables, l.module.Locals
	c.modules = []*Module{l.module}
	files := l.parseAll(dir, l.read())
	if !l.diags.HasErrors() {
		l.declare(files)
		l.chooseContext()
		l.calls(0)
		l.flatten()
		for _, m := range c.modules {
			l.module = m
			l.define()
		}
		l.module = c.Root
		l.finish()
		l.config.StateKnown = l.stateKnown()
	}
	return c, l.sketched, tidy(l.diags)
}

// loaded is what a Config holds for its evaluators.
type loaded struct {
	opts      Options
	imports   []*importBlock
	snapshot  map[string][]byte // Options.Files
	modules   []*Module         // each after its parent
	order     []*Resource
	scoped    []*Resource     // data of checks, of all modules
	ephemeral bool            // a variable or an output is
	writeOnly map[string]bool // kinds to which a write-only argument is given
}

// loader is the state of one Load.
type loader struct {
	opts       Options
	copies     int  // so many blocks that read the same are compiled once; 0: none
	sketched   bool // there are blocks that were not parsed with their files
	config     *Config
	diags      hcl.Diagnostics
	functions  map[string]function.Function
	module     *Module // that is being declared or defined
	shapes     map[*schema.Block]*shape
	tooMany    bool                   // modules, and it was reported
	identities map[string]os.FileInfo // of directories of modules
	dirs       map[string][]string    // names of the files of called modules, by directory
	exprs      []*expression          // all compiled ones that need their reach
	general    *hclsyntax.Block       // backend block of the stowage block, or nil
	settings   []*hclsyntax.Block     // stowage and context blocks, right or wrong
}

func (l *loader) add(diags hcl.Diagnostics) { l.diags = append(l.diags, diags...) }

func (l *loader) errorf(summary string, rng hcl.Range, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   fmt.Sprintf(format, args...),
		Subject:  rng.Ptr(),
	})
}

// read fills Sources.
func (l *loader) read() []string {
	c := l.config
	if l.opts.Files != nil {
		for name, src := range l.opts.Files {
			if strings.HasSuffix(name, Suffix) && !strings.ContainsAny(name, `/\:`) {
				c.Sources[name] = src
			}
		}
		if len(c.Sources) == 0 {
			l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No configuration",
				Detail: fmt.Sprintf("The snapshot holds no *%s file.", Suffix)})
		}
		return keysOf(c.Sources)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		l.noDirectory(err)
		return nil
	}
	var others []string
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		if !strings.HasSuffix(name, Suffix) {
			if ext := filepath.Ext(name); (ext == ".hcl" || ext == ".tf") && !isVarsFile(name) {
				others = append(others, name)
			}
			continue
		}
		src, err := readBounded(filepath.Join(c.Dir, name), maxFileSize)
		if err != nil {
			l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable file",
				Detail: fmt.Sprintf("The configuration file %s cannot be read: %s.", filepath.Join(c.Dir, name), plain(err))})
			continue
		}
		c.Sources[name] = src
	}
	if len(c.Sources) == 0 && !l.diags.HasErrors() {
		hint := " Write one, change to the configuration's directory, or name it before the command: stowage -chdir=DIR."
		if len(others) > 0 {
			hint = fmt.Sprintf(" There is %s: rename it to end in %s.", listWords(others, "and"), Suffix)
		}
		l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No configuration",
			Detail: fmt.Sprintf("The directory %s has no *%s file.%s", absolute(l.config.Dir), Suffix, hint)})
	}
	return keysOf(c.Sources)
}

// absolute names a directory for somebody who wonders which one it is.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func (l *loader) noDirectory(err error) {
	detail := fmt.Sprintf("The configuration's directory %s cannot be read: %s.", l.config.Dir, plain(err))
	if errors.Is(err, os.ErrNotExist) {
		detail = fmt.Sprintf("There is no directory %s. Give the directory of the configuration.", l.config.Dir)
	}
	l.diags = append(l.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No configuration", Detail: detail})
}

// plain is the text of an error without the path that the message names already.
func plain(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func readBounded(path string, limit int64) ([]byte, error) {
	src, err := functions.ReadFile(path, limit)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// parsed is a file, and what is known of its blocks where not all were parsed.
type parsed struct {
	file     *hcl.File
	outlined *fastparse.Outlined
}

// parse parses a file as far as is needed.
func (l *loader) parse(src []byte, filename string) (parsed, hcl.Diagnostics) {
	if l.copies > 0 && len(src) <= maxFileSize {
		o := fastparse.Outline(src, filename, func(kind string) bool { return l.opts.Schemas[kind] != nil })
		if o != nil {
			return parsed{o.File(), o}, nil
		}
	}
	file, diags := parse(src, filename)
	return parsed{file: file}, diags
}

// parseAll parses the sources, as many at once as there are processors.
func (l *loader) parseAll(dir string, names []string) []parsed {
	files := make([]parsed, len(names))
	diags := make([]hcl.Diagnostics, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			files[i], diags[i] = l.parse(l.config.Sources[filepath.Join(l.relative(dir), name)], filepath.Join(dir, name))
			<-slots
		}()
	}
	wg.Wait()
	for i, name := range names {
		l.add(diags[i])
		if files[i].file != nil {
			l.config.Files[filepath.Join(dir, name)] = files[i].file
		}
		if o := files[i].outlined; o != nil && len(o.Sketches) > 0 {
			l.sketched = true
		}
	}
	return files
}

// declare collects what there is, so that define can resolve references to it.
func (l *loader) declare(files []parsed) {
	var sketches []*fastparse.Sketch
	for _, file := range files {
		if file.outlined != nil {
			sketches = append(sketches, file.outlined.Sketches...)
			for _, b := range file.outlined.Blocks {
				l.declareBlock(b)
			}
			continue
		}
		body, ok := file.file.Body.(*hclsyntax.Body)
		if !ok {
			continue
		}
		for _, name := range keysOf(body.Attributes) {
			a := body.Attributes[name]
			l.errorf("Argument outside of a block", a.NameRange, "An argument must be within a block; a value to refer to belongs into locals { %s = … }.", name)
		}
		for _, b := range body.Blocks {
			l.declareBlock(b)
		}
	}
	l.declareSketches(sketches)
	l.module.number()
}

// flatten lists the blocks of all modules.
func (l *loader) flatten() {
	c := l.config
	c.Outputs = c.Root.Outputs
	for i, m := range c.modules {
		m.index = i
		c.Resources = append(c.Resources, m.Resources...)
	}
	slices.SortFunc(c.Resources, func(a, b *Resource) int { return strings.Compare(a.Address(), b.Address()) })
	for i, r := range c.Resources {
		r.index = i
	}
	for _, m := range c.modules {
		for _, r := range m.scoped {
			r.index = len(c.Resources) + len(c.scoped)
			c.scoped = append(c.scoped, r)
		}
	}
}

func (l *loader) declareBlock(b *hclsyntax.Block) {
	if l.rootOnly(b) {
		return
	}
	if b.Type == "stowage" || b.Type == "context" {
		l.settings = append(l.settings, b)
	}
	switch b.Type {
	case "stowage":
		if !l.labels(b) {
			return
		}
		if l.module.stowage != nil {
			l.duplicate("stowage block", b.DefRange(), l.module.stowage.DefRange())
			return
		}
		l.module.stowage = b
	case "variable":
		l.declareVariable(b)
	case "locals":
		l.declareLocals(b)
	case "output":
		l.declareOutput(b)
	case "module":
		l.declareCall(b)
	case "context":
		l.declareContext(b)
	case "data":
		l.declareData(b, nil)
	case "check":
		l.declareCheck(b)
	case "import":
		l.declareImport(b)
	case "moved":
		l.defineMoved(b)
	case "removed":
		l.defineRemoved(b)
	default:
		if s := l.opts.Schemas[b.Type]; s != nil {
			if l.labels(b, "name") {
				l.declareResource(b, b.Type, b.Labels[0], s, nil)
			}
			return
		}
		if why, later := l.opts.Later[b.Type]; later {
			l.errorf("Not supported yet", b.DefRange(), "This version of Stowage does not support %s blocks.%s", b.Type, sentence(why))
			return
		}
		kinds := append(l.kinds(), "stowage", "context", "variable", "locals", "output", "module", "data", "check", "import", "moved", "removed")
		hint := didYouMean(b.Type, append(kinds, keysOf(l.opts.Later)...))
		if b.Type == "resource" && len(b.Labels) == 2 {
			hint = fmt.Sprintf(" A resource block begins with its kind: %s %q { … }.", b.Labels[0], b.Labels[1])
		}
		l.errorf("Unknown kind of block", b.TypeRange, "There are no %s blocks.%s", b.Type, hint)
	}
}

// labels checks that the block has labels with these meanings.
func (l *loader) labels(b *hclsyntax.Block, want ...string) bool {
	switch {
	case len(b.Labels) < len(want):
		l.errorf("Missing name", b.DefRange(), "A %s block needs a %s: %s { … }.", b.Type, want[len(b.Labels)], l.labelsMissing(b, want))
		return false
	case len(b.Labels) > len(want) && len(want) == 0:
		l.errorf("Too many names", b.LabelRanges[0], "%s block has no name: %s { … }.", capital(withArticle(b.Type)), b.Type)
		return false
	case len(b.Labels) > len(want):
		has := fmt.Sprintf("one name: %s %q", b.Type, b.Labels[0])
		if len(want) == 2 {
			has = fmt.Sprintf("a %s and a %s: %s %q %q", want[0], want[1], b.Type, b.Labels[0], b.Labels[1])
		}
		l.errorf("Too many names", b.LabelRanges[len(want)], "A %s block has %s { … }.", b.Type, has)
		return false
	}
	for i, label := range b.Labels {
		if !ValidIdentifier(label) {
			l.errorf("Invalid name", b.LabelRanges[i], "A name begins with a letter and holds letters, digits, _ and -; %q does not.", label)
			return false
		}
	}
	return true
}

func (l *loader) duplicate(what string, rng, first hcl.Range) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Duplicate",
		Detail:   fmt.Sprintf("There is a second %s; the first is at %s:%d. Remove or rename one.", what, first.Filename, first.Start.Line),
		Subject:  rng.Ptr(),
	})
}

// define compiles everything that was declared.
func (l *loader) define() {
	l.defineSettings()
	for _, v := range l.module.variables {
		l.defineVariable(v)
	}
	if l.module == l.config.Root {
		l.defineContexts()
	}
	for _, local := range l.module.locals {
		local.expr = l.tracked(local.syntax, scope{in: "locals"})
		local.named = named{name: within(l.module.Path, "local."+local.Name), exprs: []*expression{local.expr}}
	}
	for _, r := range l.module.Resources {
		l.defineResource(r)
	}
	for _, o := range l.module.Outputs {
		l.defineOutput(o)
	}
	for _, c := range l.module.calls {
		l.defineCall(c)
	}
	for _, c := range l.module.Checks {
		l.defineCheck(c)
	}
	for _, b := range l.module.importing {
		l.defineImport(b)
	}
	l.finishMoves()
	l.finishRemovals()
}

// tracked compiles an expression whose reach finish computes.
func (l *loader) tracked(e hclsyntax.Expression, s scope) *expression {
	x := l.compile(e, s)
	l.exprs = append(l.exprs, x)
	return x
}

func (l *loader) declareLocals(b *hclsyntax.Block) {
	if !l.labels(b) {
		return
	}
	for _, nested := range b.Body.Blocks {
		l.errorf("Unexpected block", nested.DefRange(), "Local values are arguments: %s = { … }.", nested.Type)
	}
	for _, name := range keysOf(b.Body.Attributes) {
		a := b.Body.Attributes[name]
		if first := l.module.Locals[name]; first != nil {
			second, firstRange := a.NameRange, first.Range
			if before(second, firstRange) {
				second, firstRange = firstRange, second
			}
			l.duplicate("local value "+name, second, firstRange)
			continue
		}
		l.module.Locals[name] = &Local{Name: name, Range: a.NameRange, local: local{syntax: a.Expr}}
	}
}

type local struct {
	index  int
	syntax hclsyntax.Expression
	expr   *expression
	named  named
}

// tidy removes repeated diagnostics and sorts them by place.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	if len(diags) < 2 {
		return diags
	}
	type key struct {
		summary, detail string
		subject         hcl.Range
	}
	seen := make(map[key]bool, len(diags))
	var kept hcl.Diagnostics
	for _, d := range diags {
		k := key{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.subject = *d.Subject
		}
		if !seen[k] {
			seen[k] = true
			kept = append(kept, d)
		}
	}
	slices.SortStableFunc(kept, func(a, b *hcl.Diagnostic) int {
		switch {
		case a.Subject == nil && b.Subject == nil:
			return 0
		case a.Subject == nil:
			return -1
		case b.Subject == nil:
			return 1
		case before(*a.Subject, *b.Subject):
			return -1
		case before(*b.Subject, *a.Subject):
			return 1
		}
		return strings.Compare(a.Summary+a.Detail, b.Summary+b.Detail)
	})
	return kept
}

func before(a, b hcl.Range) bool {
	if a.Filename != b.Filename {
		return a.Filename < b.Filename
	}
	return a.Start.Byte < b.Start.Byte
}

// addFile keeps a parsed file for snippets.
func (c *Config) addFile(name string, file *hcl.File) {
	if file != nil {
		c.Files[name] = file
	}
}
