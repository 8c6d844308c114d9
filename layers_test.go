// Package stowage_test guards the shape of the repository: which package may
// import which.
package stowage_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/stowage-iac/stowage/"

// layers says which packages of ours a package, and all packages below it, may
// import. Arrows point down only. Test files may import test/... besides.
var layers = map[string][]string{
	"api":            {},
	"lang/schema":    {},
	"lang":           {"lang", "lang/schema"},
	"lang/source":    {"lang"},
	"scheduler":      {"api", "scheduler"},
	"ssh":            {"api", "ssh"},
	"image":          {"api", "image"},
	"network":        {"api", "network"},
	"state":          {"api", "state"},
	"state/local":    {"api", "lang/schema", "state"},
	"state/cluster":  {"api", "lang/schema", "state", "ssh", "cluster/client"},
	"state/etcd":     {"api", "lang/schema", "state"},
	"state/s3":       {"api", "lang/schema", "state"},
	"state/postgres": {"api", "lang/schema", "state"},
	"state/http":     {"api", "lang/schema", "state"},
	"state/registry": {"api", "lang/schema", "state"},
	// A process that is killed opens the backend that its environment names.
	"state/crashtest": {"api", "state", "ssh"},
	"cluster/client":  {"api"},
	"agent":           {"api", "agent", "network", "image", "cluster/client"},
	"cluster":         {"api", "cluster", "cluster/client", "scheduler"},
	"providers":       {"api", "lang", "lang/schema", "ssh", "cluster/client", "image", "scheduler", "providers"},
	"planner":         {"api", "lang", "lang/schema", "ssh", "cluster/client", "image", "scheduler", "providers", "state", "planner"},
	"cmd/stowage":     {"api", "lang", "lang/schema", "ssh", "cluster/client", "image", "scheduler", "providers", "state", "planner", "cmd/stowage"},
	"cmd/stowaged":    {"api", "agent", "network", "image", "cluster", "cluster/client", "scheduler", "cmd/stowaged"},
}

// foreign says which modules a package, and all below it, must not import
// directly or through our own packages.
var foreign = map[string][]string{
	"cmd/stowage": {"go.etcd.io/etcd/server", "github.com/containerd/containerd/v2/plugins", "github.com/containerd/containerd/v2/cmd",
		"github.com/santhosh-tekuri/jsonschema", "github.com/chromedp", "github.com/yuin/goldmark"},
	"cmd/stowaged": {"github.com/hashicorp/hcl", "github.com/zclconf/go-cty", "github.com/mitchellh/cli"},
}

type imports map[string]map[string]string // package → import → file

func TestLayers(t *testing.T) {
	product, tests := parse(t)
	for _, pkg := range sorted(product) {
		allowed, ok := allowedFor(pkg)
		if !ok {
			if !strings.HasPrefix(pkg, "test") && pkg != "." && !strings.HasPrefix(pkg, "examples") {
				t.Errorf("%s is in no layer: add it to the table, with what it may import", pkg)
			}
			continue
		}
		check(t, pkg, product[pkg], allowed)
		check(t, pkg, tests[pkg], append(allowed, "test"))
	}
}

func check(t *testing.T, pkg string, found map[string]string, allowed []string) {
	t.Helper()
	for imp, file := range found {
		target, ours := strings.CutPrefix(imp, module)
		if ours && !below(target, allowed) {
			t.Errorf("%s imports %s; %s may import only %v", file, target, pkg, allowed)
		}
	}
}

func TestForeignModules(t *testing.T) {
	product, _ := parse(t)
	for _, root := range sorted(foreign) {
		for pkg, via := range closure(product, root) {
			for imp, file := range product[pkg] {
				for _, banned := range foreign[root] {
					if strings.HasPrefix(imp, banned) {
						t.Errorf("%s links %s: %s imports it (through %s)", root, banned, file, via)
					}
				}
			}
		}
	}
}

// closure maps every package of ours that root reaches to the path there.
func closure(product imports, root string) map[string]string {
	seen := map[string]string{}
	var visit func(pkg, via string)
	visit = func(pkg, via string) {
		if _, ok := seen[pkg]; ok {
			return
		}
		seen[pkg] = via
		for imp := range product[pkg] {
			if target, ok := strings.CutPrefix(imp, module); ok {
				visit(target, via+" → "+target)
			}
		}
	}
	for pkg := range product {
		if below(pkg, []string{root}) {
			visit(pkg, pkg)
		}
	}
	return seen
}

// allowedFor finds the longest entry of the table that holds pkg.
func allowedFor(pkg string) ([]string, bool) {
	for p := pkg; p != "."; p = path.Dir(p) {
		if allowed, ok := layers[p]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func below(pkg string, roots []string) bool {
	for _, r := range roots {
		if pkg == r || strings.HasPrefix(pkg, r+"/") {
			return true
		}
	}
	return false
}

// parse reads the imports of all Go files in the tree, without a shell: the test
// cache then sees every file.
func parse(t *testing.T) (product, tests imports) {
	t.Helper()
	product, tests = imports{}, imports{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg, into := filepath.ToSlash(filepath.Dir(name)), product
		if strings.HasSuffix(name, "_test.go") {
			into = tests
		}
		if into[pkg] == nil {
			into[pkg] = map[string]string{}
		}
		for _, imp := range f.Imports {
			into[pkg][strings.Trim(imp.Path.Value, `"`)] = name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return product, tests
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
