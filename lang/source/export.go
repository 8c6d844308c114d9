package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maxFiles = 100_000
	maxBytes = 1 << 30 // of all files of a repository
)

// object is a file or link in a commit.
type object struct {
	mode, id, path string
}

// export writes the files of a commit as they are in it: no filter, attribute or
// hook changes them, so that their digest is the same everywhere. Submodules are
// not part of a commit and are left out.
func (g git) export(ctx context.Context, commit, dir string) error {
	out, err := g.run(ctx, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return err
	}
	var files []object
	for entry := range strings.SplitSeq(string(out), "\x00") {
		head, path, ok := strings.Cut(entry, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 || fields[1] != "blob" {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(path)) || strings.Contains(path, "\\") {
			return fmt.Errorf("the repository %s has a file %q, which leads out of it", g.url, path)
		}
		files = append(files, object{fields[0], fields[2], path})
	}
	if len(files) > maxFiles {
		return fmt.Errorf("the repository %s has %d files; at most %d are taken", g.url, len(files), maxFiles)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return g.contents(ctx, files, dir)
}

// contents reads all objects from one process and writes them.
func (g git) contents(ctx context.Context, files []object, dir string) error {
	cmd, err := g.command(ctx, "cat-file", "--batch")
	if err != nil {
		return err
	}
	var ids, said bytes.Buffer
	for _, f := range files {
		ids.WriteString(f.id + "\n")
	}
	cmd.Stdin, cmd.Stderr = &ids, &limited{max: 64 << 10, b: &said}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	links, err := writeFiles(bufio.NewReader(pipe), files, dir, g.url)
	if err != nil {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		return err
	}
	if err := cmd.Wait(); err != nil {
		return g.problem(ctx, err, said.String())
	}
	// Links come last, so that nothing is written through one.
	for path, target := range links {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(filepath.FromSlash(target), at)); err != nil {
			return err
		}
	}
	return nil
}

func writeFiles(r *bufio.Reader, files []object, dir, url string) (links map[string]string, err error) {
	links = map[string]string{}
	left := int64(maxBytes)
	for _, f := range files {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("git ended early: %w", err)
		}
		fields := strings.Fields(head)
		if len(fields) != 3 {
			return nil, fmt.Errorf("the repository %s lacks the content of %s", url, f.path)
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("git answered %q", head)
		}
		if left -= size; left < 0 {
			return nil, fmt.Errorf("the repository %s has more than %d MiB; a module that large does not belong into every configuration", url, maxBytes>>20)
		}
		content := io.LimitReader(r, size)
		if f.mode == "120000" {
			target, err := io.ReadAll(content)
			if err != nil {
				return nil, err
			}
			if !staysWithin(f.path, string(target)) {
				return nil, fmt.Errorf("the repository %s has a link %s that leads out of it, to %q: it is refused", url, f.path, target)
			}
			links[f.path] = string(target)
		} else if err := writeFile(filepath.Join(dir, filepath.FromSlash(f.path)), content, f.mode); err != nil {
			return nil, err
		}
		if b, err := r.ReadByte(); err != nil || b != '\n' {
			return nil, fmt.Errorf("git ended early within %s", f.path)
		}
	}
	return links, nil
}

func writeFile(path string, content io.Reader, mode string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	perm := os.FileMode(0o644)
	if mode == "100755" {
		perm = 0o755
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// staysWithin reports whether a link at path, whose directories are no links
// themselves, can only lead to what is in the tree: it may go up to the tree's root
// first, and then only down.
func staysWithin(path, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\\x00:") {
		return false
	}
	depth := strings.Count(path, "/")
	down := false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; down || depth < 0 {
				return false
			}
		default:
			down = true
		}
	}
	return true
}
