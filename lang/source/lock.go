package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
)

// LockFile is the name of the lock file in the configuration's directory.
const LockFile = "stowage.lock.hcl"

// maxLockFile bounds the lock file, in bytes.
const maxLockFile = 4 << 20

// Locked is what the lock file records of a source.
type Locked struct {
	Commit string // 40 or 64 hex digits
	Digest string // of all files of the commit, see Digest
}

var commitLike = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// readLock reads a lock file; one that is not there is empty.
func readLock(dir string) (map[string]Locked, error) {
	path := filepath.Join(dir, LockFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]Locked{}, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxLockFile {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", path, info.Size(), maxLockFile)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseLock(src, path)
}

// parseLock reads the text of a lock file.
func parseLock(src []byte, name string) (map[string]Locked, error) {
	damaged := func(line int, why string) error {
		return fmt.Errorf("%s:%d: %s. \"stowage init\" writes this file: put back what version control has, or delete it and run \"stowage init\"", name, line, why)
	}
	if d := nesting.InConfig(src, name); d != nil {
		return nil, damaged(d.Subject.Start.Line, "it is none: "+d.Summary)
	}
	if d := numbers.InConfig(src, name); d != nil {
		return nil, damaged(d.Subject.Start.Line, "it holds a number, where only texts are")
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		line := 1
		if diags[0].Subject != nil {
			line = diags[0].Subject.Start.Line
		}
		return nil, damaged(line, "it cannot be read: "+strings.TrimSuffix(diags[0].Detail, "."))
	}
	body := file.Body.(*hclsyntax.Body)
	all := map[string]Locked{}
	for _, a := range body.Attributes {
		return nil, damaged(a.SrcRange.Start.Line, "unexpected argument "+a.Name)
	}
	for _, b := range body.Blocks {
		line := b.TypeRange.Start.Line
		if b.Type != "module" || len(b.Labels) != 1 || len(b.Body.Blocks) > 0 {
			return nil, damaged(line, "unexpected block "+b.Type)
		}
		if _, twice := all[b.Labels[0]]; twice {
			return nil, damaged(line, "a second block for "+b.Labels[0])
		}
		var l Locked
		for name, a := range b.Body.Attributes {
			v, diags := a.Expr.Value(nil)
			if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
				return nil, damaged(a.SrcRange.Start.Line, name+" is no text")
			}
			switch name {
			case "commit":
				l.Commit = v.AsString()
			case "digest":
				l.Digest = v.AsString()
			default:
				return nil, damaged(a.SrcRange.Start.Line, "unexpected argument "+name)
			}
		}
		if !commitLike.MatchString(l.Commit) || !strings.HasPrefix(l.Digest, digestPrefix) {
			return nil, damaged(line, "commit and digest are needed")
		}
		all[b.Labels[0]] = l
	}
	return all, nil
}

// formatLock writes the text of a lock file.
func formatLock(all map[string]Locked) []byte {
	var b strings.Builder
	b.WriteString("# The commits of the modules that come from git, and digests of their files.\n# \"stowage init\" writes this file. Keep it in version control.\n")
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "\nmodule %s {\n  commit = %q\n  digest = %q\n}\n", quote(name), all[name].Commit, all[name].Digest)
	}
	return []byte(b.String())
}

// quote writes a text of the language.
func quote(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}
