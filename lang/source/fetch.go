package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fetch brings a commit into dir/git, a bare repository, and writes its files to
// dir/files. commit may be "": then a.Ref is a part of its name.
func fetch(ctx context.Context, a Address, commit, dir string) (string, error) {
	g := git{url: a.URL}
	bare := filepath.Join(dir, "git")
	if _, err := g.run(ctx, "init", "-q", "--bare", "--template=", "--", bare); err != nil {
		return "", err
	}
	g.dir = bare
	if commit != "" {
		if _, err := g.run(ctx, "fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", a.URL, commit); err == nil {
			return commit, g.export(ctx, commit, filepath.Join(dir, "files"))
		} else if ctx.Err() != nil {
			return "", err
		}
	}
	// Not every server gives out a commit by its name.
	if _, err := g.run(ctx, "fetch", "-q", "--no-recurse-submodules", "--", a.URL, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return "", err
	}
	name := commit
	if name == "" {
		name = a.Ref
	}
	out, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	found := strings.TrimSpace(string(out))
	switch {
	case err != nil && ctx.Err() != nil:
		return "", err
	case err != nil && commit == "":
		return "", fmt.Errorf("the repository %s has no branch, tag or commit %q", a.URL, a.Ref)
	case err != nil || !commitLike.MatchString(found):
		return "", fmt.Errorf("the commit %s is not in the repository %s any more: its history was rewritten. \"stowage init -upgrade\" takes what %s is now", commit, a.URL, orHead(a.Ref))
	}
	return found, g.export(ctx, found, filepath.Join(dir, "files"))
}

func orHead(ref string) string {
	if ref == "" {
		return "its default branch"
	}
	return ref
}

// install puts what was fetched in place, at once: there is never half a module.
func install(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		return nil
	}
	if _, statErr := os.Lstat(to); statErr != nil {
		return err
	}
	aside := from + ".old"
	if err := os.Rename(to, aside); err != nil {
		return err
	}
	return errors.Join(os.Rename(from, to), os.RemoveAll(aside))
}
