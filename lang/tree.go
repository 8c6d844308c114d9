package lang

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	// maxModuleDepth bounds how deep modules nest.
	maxModuleDepth = 100
	// maxModules bounds how many module blocks a configuration has, each counted as
	// often as it is reached.
	maxModules = 10_000

	gitExample = "git::https://example.com/app.git?ref=v1.2.0"
	// sourceFact is the prefix of names in Config.Sources that tell where a module of
	// another place was found.
	sourceFact = "module:"
)

// Tree is where the files of a module from another place are.
type Tree struct {
	Root string // directory of all that came with it; its modules cannot reach out of it
	Dir  string // of the module itself, Root or below it
}

// calls loads what the current module calls, and what that calls.
func (l *loader) calls(depth int) {
	m := l.module
	for _, name := range keysOf(m.Calls) {
		c := m.Calls[name]
		c.slot = len(m.calls)
		m.calls = append(m.calls, c)
		l.call(c, depth)
		l.module = m
	}
}

func (l *loader) call(c *Call, depth int) {
	a := c.block.Body.Attributes["source"]
	if a == nil {
		l.errorf("Missing argument", c.Range, "module %q needs a source: the directory of the module, such as \"./modules/%s\", or a git address, such as %q.", c.Name, c.Name, gitExample)
		return
	}
	before := len(l.diags)
	if c.Source = l.constString(a, "module "+quote(c.Name)); len(l.diags) > before {
		return
	}
	tree, ok := l.locate(c, a.Expr.Range())
	if !ok {
		return
	}
	m := newModule(within(c.in.Path, c.address()), tree.Dir)
	m.caller, m.tree, m.relative = c, tree.Root, filepath.ToSlash(l.relative(tree.Dir))
	for up := c.in; up != nil; up = up.parent() {
		if l.same(up, m) {
			l.errorf("Module calls itself", a.Expr.Range(), "%s is the directory %s, which is being called already%s. A module cannot hold itself.", m.Path, m.Dir, calledAt(up))
			return
		}
	}
	switch {
	case depth >= maxModuleDepth:
		l.errorf("Too many modules", c.Range, "Modules call each other more than %d deep here. Call them side by side from one place instead.", maxModuleDepth)
		return
	case len(l.config.modules) >= maxModules:
		if !l.tooMany {
			l.tooMany = true
			l.errorf("Too many modules", c.Range, "The configuration calls modules more than %d times, those within called ones counted each time. Use for_each instead of many blocks.", maxModules)
		}
		return
	}
	names, ok := l.moduleFiles(c, m, a.Expr.Range())
	if !ok {
		return
	}
	before = len(l.diags)
	files := l.parseAll(m.Dir, names)
	if l.diags[before:].HasErrors() {
		return
	}
	c.Module = m
	l.config.modules = append(l.config.modules, m)
	l.module = m
	l.declare(files)
	l.calls(depth + 1)
}

func (m *Module) parent() *Module {
	if m.caller == nil {
		return nil
	}
	return m.caller.in
}

func calledAt(m *Module) string {
	if m.caller == nil {
		return " as the root"
	}
	return " at " + place(m.caller.Range)
}

// same reports whether two modules have one directory.
func (l *loader) same(a, b *Module) bool {
	if filepath.Clean(a.Dir) == filepath.Clean(b.Dir) {
		return true
	}
	ai, bi := l.identity(a.Dir), l.identity(b.Dir)
	return ai != nil && bi != nil && os.SameFile(ai, bi)
}

// identity is what a directory is, however it is written; nil for none, and in a snapshot.
func (l *loader) identity(dir string) os.FileInfo {
	if l.opts.Files != nil {
		return nil
	}
	info, known := l.identities[dir]
	if !known {
		info, _ = os.Stat(dir)
		l.identities[dir] = info
	}
	return info
}

// locate finds the directory of a call's source.
func (l *loader) locate(c *Call, rng hcl.Range) (Tree, bool) {
	source := c.Source
	fail := func(format string, args ...any) (Tree, bool) {
		l.errorf("Module not found", rng, format, args...)
		return Tree{}, false
	}
	switch {
	case source == "":
		return fail("The source of module %q is empty. It is the directory of the module, such as \"./modules/%s\", or a git address, such as %q.", c.Name, c.Name, gitExample)
	case strings.ContainsRune(source, 0):
		return fail("The source of module %q is no path.", c.Name)
	case isLocal(source):
		t := Tree{Root: c.in.tree, Dir: filepath.Join(c.in.Dir, filepath.FromSlash(source))}
		if filepath.IsAbs(source) {
			t.Dir = filepath.Clean(source)
		}
		if t.Root != "" && !below(t.Dir, t.Root) {
			return fail("The source %q of module %q leads out of the repository that the module around it came from. Modules from git reach only what came with them.", source, c.Name)
		}
		return t, true
	}
	fact := sourceFact + source
	if l.opts.Files != nil {
		if at, ok := l.opts.Files[fact]; ok {
			root, dir, _ := strings.Cut(string(at), "\n")
			l.config.Sources[fact] = at
			return Tree{Root: root, Dir: dir}, true
		}
	}
	if dir := filepath.Join(c.in.Dir, filepath.FromSlash(source)); !strings.Contains(source, "::") && isDir(dir) {
		return fail("The source of module %q begins with ./ or ../ when it is a directory. Did you mean \"./%s\"?", c.Name, source)
	}
	if l.opts.Module == nil {
		return fail("The module %q is not a directory: its source %q does not begin with ./ or ../.", c.Name, source)
	}
	t, err := l.opts.Module(source)
	if err != nil {
		l.errorf("Module not available", rng, "module %q: %s.", c.Name, strings.TrimSuffix(err.Error(), "."))
		return Tree{}, false
	}
	l.config.Sources[fact] = []byte(t.Root + "\n" + t.Dir)
	return t, true
}

func isLocal(source string) bool {
	return source == "." || source == ".." || strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../") || filepath.IsAbs(source)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// below reports whether a path is a directory or in it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// moduleFiles reads the files of a called module into Sources, and names them.
func (l *loader) moduleFiles(c *Call, m *Module, rng hcl.Range) ([]string, bool) {
	if names, known := l.dirs[m.Dir]; known {
		return names, true
	}
	names, err := l.readModule(m)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := ""
		if !filepath.IsAbs(c.Source) {
			hint = didYouMean(filepath.Base(m.Dir), siblings(m.Dir))
		}
		l.errorf("Module not found", rng, "module %q: there is no directory %s.%s", c.Name, m.Dir, hint)
		return nil, false
	case err != nil:
		l.errorf("Module not found", rng, "module %q: the directory %s cannot be read: %s.", c.Name, m.Dir, plain(err))
		return nil, false
	case len(names) == 0:
		l.errorf("Module not found", rng, "module %q: the directory %s has no *%s file.", c.Name, m.Dir, Suffix)
		return nil, false
	}
	l.dirs[m.Dir] = names
	return names, true
}

// readModule fills Sources with the files of a called module.
func (l *loader) readModule(m *Module) ([]string, error) {
	c := l.config
	dir := l.relative(m.Dir)
	var names []string
	if l.opts.Files != nil {
		for _, path := range keysOf(l.opts.Files) {
			if at, name := filepath.Split(path); strings.HasSuffix(name, Suffix) && filepath.Clean(at) == dir && !strings.ContainsAny(path, ":") {
				c.Sources[path] = l.opts.Files[path]
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil, fs.ErrNotExist
		}
		return names, nil
	}
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || !strings.HasSuffix(name, Suffix) {
			continue
		}
		src, err := readBounded(filepath.Join(m.Dir, name), maxFileSize)
		if err != nil {
			return nil, err
		}
		c.Sources[filepath.Join(dir, name)] = src
		names = append(names, name)
	}
	return names, nil
}

// relative is a directory as seen from the configuration's.
func (l *loader) relative(dir string) string {
	if rel, err := filepath.Rel(l.config.Dir, dir); err == nil {
		return rel
	}
	return dir
}

// siblings are the directories beside one.
func siblings(dir string) []string {
	entries, _ := os.ReadDir(filepath.Dir(dir))
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// rootOnly refuses blocks that belong to the root.
func (l *loader) rootOnly(b *hclsyntax.Block) bool {
	why := map[string]string{
		"stowage": "the state, its encryption and the version are settings of the whole configuration",
		"context": "contexts are chosen for the whole configuration; pass what differs as an argument",
	}[b.Type]
	if why == "" || l.module.caller == nil {
		return false
	}
	l.errorf("Block belongs into the root", b.DefRange(), "A %s block is not possible in a module: %s. Move it to the root.", b.Type, why)
	return true
}
