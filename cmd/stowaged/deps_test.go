package main

import (
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/stowage-iac/stowage/"

// TestLinksNoLanguage: hosts get compiled specs, never HCL. Ours are followed
// import by import; what others link is in the test binary's own build record.
func TestLinksNoLanguage(t *testing.T) {
	forbidden := []string{"github.com/hashicorp/hcl", "github.com/zclconf/go-cty", module + "lang", module + "planner", module + "providers", module + "state"}
	seen := map[string]string{} // import path → who imports it
	follow(t, module+"cmd/stowaged", seen)
	for path, by := range seen {
		for _, f := range forbidden {
			if path == f || strings.HasPrefix(path, f+"/") {
				t.Errorf("%s imports %s", by, path)
			}
		}
	}
	if len(seen) < 20 || seen[module+"cluster/store"] == "" {
		t.Fatalf("imports were not followed: %d found", len(seen))
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test binary has no build record")
	}
	for _, dep := range info.Deps {
		if strings.HasPrefix(dep.Path, "github.com/hashicorp/hcl") || strings.HasPrefix(dep.Path, "github.com/zclconf/go-cty") {
			t.Errorf("%s is linked", dep.Path)
		}
	}
}

// follow collects what a package of ours imports, and what that imports.
func follow(t *testing.T, path string, seen map[string]string) {
	t.Helper()
	dir := filepath.Join("..", "..", strings.TrimPrefix(path, module))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if match, _ := build.Default.MatchFile(dir, file.Name()); !match || !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file.Name()), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if _, known := seen[imported]; known {
				continue
			}
			seen[imported] = path
			if strings.HasPrefix(imported, module) {
				follow(t, imported, seen)
			}
		}
	}
}
