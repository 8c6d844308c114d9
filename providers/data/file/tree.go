package file

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers/data"
)

// maxFiles bounds a directory: their names are an attribute.
const maxFiles = 100_000

// tree reads what is below a directory. Its digest depends on nothing but names
// and contents: not on times, owners, modes or the order in the file system. The
// content of a symbolic link is its target; links are not followed.
func tree(ctx context.Context, root string) (map[string]cty.Value, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, data.Plain(err)
	}
	files, err := list(ctx, root)
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	names := make([]cty.Value, len(files))
	var size int64
	for i, name := range files {
		sum, n, err := sum(ctx, filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("of %q in it: %w", name, err)
		}
		digest.Write(line(sum, name))
		names[i] = cty.StringVal(name)
		size += n
	}
	all := cty.ListValEmpty(cty.String)
	if len(names) > 0 {
		all = cty.ListVal(names)
	}
	return map[string]cty.Value{
		"files": all, "mode": mode(info), "sha256": hexVal(digest.Sum(nil)), "size": cty.NumberIntVal(size),
	}, nil
}

// list names all files and links below root, sorted by bytes, with slashes.
func list(ctx context.Context, root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			return fmt.Errorf("of %q in it: %w", rel, data.Plain(err))
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			return nil
		case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0:
			return fmt.Errorf("%q in it is neither a file nor a link", rel)
		case len(files) == maxFiles:
			return fmt.Errorf("there are more than %d files in it", maxFiles)
		}
		files = append(files, filepath.ToSlash(rel))
		return nil
	})
	slices.Sort(files)
	return files, err
}

// sum is the SHA-256 of a file's content or of a link's target, and its size.
func sum(ctx context.Context, path string) ([]byte, int64, error) {
	if target, err := os.Readlink(path); err == nil {
		s := sha256.Sum256([]byte(target))
		return s[:], int64(len(target)), nil
	}
	f, _, err := data.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, data.ContextReader(ctx, f))
	if err != nil {
		return nil, 0, data.Plain(err)
	}
	return h.Sum(nil), n, nil
}

// line is what sha256sum writes, which escapes newlines and backslashes.
func line(sum []byte, name string) []byte {
	escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	mark := ""
	if escaped != name {
		mark = `\`
	}
	return fmt.Appendf(nil, "%s%x  %s\n", mark, sum, escaped)
}
