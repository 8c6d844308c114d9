package image

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ignoreFile lists what a copied directory keeps for itself, one pattern a line,
// # for comments: a pattern with a slash is matched from the directory on, one
// without at any depth; * and ? as in a shell; a directory goes with all in it.
const ignoreFile = ".stowageignore"

// entry is one file of a copy.
type entry struct {
	name string // in the image, without the leading slash
	path string // here
	info fs.FileInfo
	link string // target of a symbolic link
}

// collect lists the files of a copy in the order of the layer: names sorted
// within each directory.
func (c *Copy) collect(source string) ([]entry, error) {
	to, err := c.target()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(source) // a link to what is copied is followed
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is neither a file nor a directory", source)
		}
		if strings.HasSuffix(c.To, "/") {
			to = path.Join(to, filepath.Base(source))
		}
		if to == "" {
			return nil, errors.New(`a file is copied to a path, not to "/"`)
		}
		return []entry{{name: to, path: source, info: info}}, nil
	}
	return walk(source, to)
}

func walk(source, to string) ([]entry, error) {
	ignored, err := readIgnore(filepath.Join(source, ignoreFile))
	if err != nil {
		return nil, err
	}
	var entries []entry
	root, err := filepath.EvalSymlinks(source)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel == ignoreFile || ignored.match(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{name: path.Join(to, rel), path: p, info: info}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if e.link, err = os.Readlink(p); err != nil {
				return err
			}
		case !info.IsDir() && !info.Mode().IsRegular():
			return fmt.Errorf("%s is a device, socket or pipe: it cannot be copied; name it in %s", p, ignoreFile)
		}
		if e.name != "." {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

type ignore []string

func readIgnore(file string) (ignore, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var patterns ignore
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		p := strings.TrimSpace(lines.Text())
		if p == "" || strings.HasPrefix(p, "#") {
			continue
		}
		if _, err := path.Match(p, "x"); err != nil || strings.HasPrefix(p, "!") {
			return nil, fmt.Errorf("%s:%d: %q is not a pattern", file, n, p)
		}
		patterns = append(patterns, strings.TrimSuffix(p, "/"))
	}
	return patterns, lines.Err()
}

func (i ignore) match(rel string) bool {
	for _, p := range i {
		name := rel
		if !strings.Contains(p, "/") {
			name = path.Base(rel)
		}
		if ok, _ := path.Match(strings.TrimPrefix(p, "/"), name); ok && rel != "." {
			return true
		}
	}
	return false
}
