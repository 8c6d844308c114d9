package source

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes a git repository with files; a name that ends in @ is a link to
// its content.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	run(t, ".", "init", "-q", "-b", "main", dir)
	commit(t, dir, files)
	return dir
}

func commit(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, strings.TrimSuffix(name, "@"))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "@") {
			err = errors.Join(err, os.Symlink(text, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "add", "-A")
	run(t, dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "m")
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, append(environment(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func installed(t *testing.T, dir, source string, upgrade bool) Installed {
	t.Helper()
	s := in(dir)
	_, done, err := s.Install(context.Background(), source, upgrade)
	if err == nil {
		_, err = s.Save(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestRefs: a branch, a tag with and without a message, a commit and a part of its
// name, and nothing: each is the commit that git says it is.
func TestRefs(t *testing.T) {
	repo := repository(t, map[string]string{"a.stowage.hcl": "locals { a = 1 }\n"})
	first := run(t, repo, "rev-parse", "HEAD")
	run(t, repo, "tag", "light")
	run(t, repo, "-c", "user.name=a", "-c", "user.email=a@example.com", "tag", "-m", "m", "heavy")
	commit(t, repo, map[string]string{"a.stowage.hcl": "locals { a = 2 }\n"})
	second := run(t, repo, "rev-parse", "HEAD")
	for ref, want := range map[string]string{
		"": second, "?ref=main": second, "?ref=light": first, "?ref=heavy": first,
		"?ref=" + first: first, "?ref=" + first[:10]: first, "?ref=refs/heads/main": second,
	} {
		dir := t.TempDir()
		done := installed(t, dir, "git::file://"+repo+ref, false)
		if done.Commit != want || !done.Fetched {
			t.Errorf("%q: %+v, want %s", ref, done, want)
		}
		tree, err := in(dir).Find("git::file://" + repo + ref)
		if err != nil || tree.Dir != done.Location {
			t.Errorf("%q: %v, %v", ref, tree, err)
		}
		if _, err := os.Stat(filepath.Join(tree.Dir, ".git")); err == nil {
			t.Error("the repository itself was installed")
		}
	}
}

// TestExport: files come as they are committed, whatever attributes and filters
// say, with their modes and links.
func TestExport(t *testing.T) {
	repo := repository(t, map[string]string{
		"text": "a\nb\n$Id$\n", ".gitattributes": "* text eol=crlf ident\nhidden export-ignore\n", "hidden": "x", "dir/link@": "../text",
	})
	if err := os.WriteFile(filepath.Join(repo, "tool"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	commit(t, repo, nil)
	dir := t.TempDir()
	done := installed(t, dir, "git::file://"+repo, false)
	for name, want := range map[string]string{"text": "a\nb\n$Id$\n", "hidden": "x", "dir/link": "a\nb\n$Id$\n"} {
		got, err := os.ReadFile(filepath.Join(done.Location, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if info, err := os.Stat(filepath.Join(done.Location, "tool")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Error("an executable file is none any more", err)
	}
	ignore, err := os.ReadFile(filepath.Join(dir, ".stowage", ".gitignore"))
	if err != nil || string(ignore) != "*\n" {
		t.Errorf("%q, %v", ignore, err)
	}
}

// TestRefused: what leads out of a repository is not installed, and nothing of it stays.
func TestRefused(t *testing.T) {
	for target, want := range map[string]string{
		"../outside": "leads out of it", "/etc/passwd": "leads out of it", "text/../x": "leads out of it",
	} {
		repo := repository(t, map[string]string{"text": "a", "link@": target})
		dir := t.TempDir()
		_, _, err := in(dir).Install(context.Background(), "git::file://"+repo, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", target, err)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, ".stowage", "modules")); len(left) > 0 {
			t.Errorf("%s: %v is left", target, left)
		}
	}
}

// TestTampered: every change of an installed tree is found.
func TestTampered(t *testing.T) {
	repo := repository(t, map[string]string{"a": "a", "b/c": "c", "l@": "a"})
	source := "git::file://" + repo
	for name, change := range map[string]func(root string) error{
		"content":  func(root string) error { return os.WriteFile(filepath.Join(root, "a"), []byte("b"), 0o644) },
		"new file": func(root string) error { return os.WriteFile(filepath.Join(root, "b/d"), nil, 0o644) },
		"removed":  func(root string) error { return os.Remove(filepath.Join(root, "b/c")) },
		"mode":     func(root string) error { return os.Chmod(filepath.Join(root, "a"), 0o755) },
		"link": func(root string) error {
			return errors.Join(os.Remove(filepath.Join(root, "l")), os.Symlink("/etc/passwd", filepath.Join(root, "l")))
		},
		"renamed": func(root string) error { return os.Rename(filepath.Join(root, "a"), filepath.Join(root, "a2")) },
	} {
		dir := t.TempDir()
		done := installed(t, dir, source, false)
		if err := change(done.Location); err != nil {
			t.Fatal(err)
		}
		if _, err := in(dir).Find(source); err == nil || !strings.Contains(err.Error(), "not those that stowage.lock.hcl records") {
			t.Errorf("%s: %v", name, err)
		}
		if again := installed(t, dir, source, false); !again.Fetched {
			t.Errorf("%s: nothing was fetched", name)
		}
		if _, err := in(dir).Find(source); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHistoryRewritten: a recorded commit that is gone is an error, and -upgrade goes on.
func TestHistoryRewritten(t *testing.T) {
	repo := repository(t, map[string]string{"a": "a"})
	source := "git::file://" + repo + "?ref=main"
	dir := t.TempDir()
	installed(t, dir, source, false)
	commit(t, repo, map[string]string{"a": "b"})
	run(t, repo, "update-ref", "-d", "HEAD")
	run(t, repo, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "other")
	run(t, repo, "reflog", "expire", "--expire=all", "--all")
	run(t, repo, "gc", "-q", "--prune=now")
	if err := os.RemoveAll(filepath.Join(dir, ".stowage")); err != nil {
		t.Fatal(err)
	}
	_, _, err := in(dir).Install(context.Background(), source, false)
	if err == nil || !strings.Contains(err.Error(), "its history was rewritten") {
		t.Error(err)
	}
	if done := installed(t, dir, source, true); done.Before == done.Commit {
		t.Errorf("%+v", done)
	}
}

// TestWithoutGit: what is installed needs no git; what is not says that it does.
func TestWithoutGit(t *testing.T) {
	repo := repository(t, map[string]string{"a": "a"})
	dir := t.TempDir()
	installed(t, dir, "git::file://"+repo, false)
	t.Setenv("PATH", "")
	installed(t, dir, "git::file://"+repo, false)
	if _, err := in(dir).Find("git::file://" + repo); err != nil {
		t.Error(err)
	}
	_, _, err := in(t.TempDir()).Install(context.Background(), "git::file://"+repo, false)
	if err == nil || !strings.Contains(err.Error(), "git is needed") {
		t.Error(err)
	}
}

// TestNeverAsks: a server that wants a login is an error at once, and an ended
// context ends git.
func TestNeverAsks(t *testing.T) {
	server := newLogin(t)
	_, _, err := in(t.TempDir()).Install(context.Background(), "git::"+server+"/app.git", false)
	if err == nil || !strings.Contains(err.Error(), "It needs a login") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := in(t.TempDir()).Install(ctx, "git::"+server+"/app.git", false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestKilled: what a killed run left is no module, and is cleared away later.
func TestKilled(t *testing.T) {
	repo := repository(t, map[string]string{"a": "a"})
	dir := t.TempDir()
	left := filepath.Join(dir, ".stowage", "modules", temporary+"1")
	if err := os.MkdirAll(filepath.Join(left, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := in(dir).Find("git::file://" + repo); !errors.Is(err, ErrNotInstalled) {
		t.Error(err)
	}
	installed(t, dir, "git::file://"+repo, false)
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed run left is still there")
	}
}

// TestSave: the lock file is written only when it changes, and forgets what is not used.
func TestSave(t *testing.T) {
	repo := repository(t, map[string]string{"a": "a"})
	dir := t.TempDir()
	installed(t, dir, "git::file://"+repo, false)
	first, err := os.ReadFile(filepath.Join(dir, LockFile))
	if err != nil {
		t.Fatal(err)
	}
	s := in(dir)
	if changed, err := s.Save(nil); changed || err != nil {
		t.Error(changed, err)
	}
	if changed, err := s.Save(map[string]bool{}); !changed || err != nil {
		t.Error(changed, err)
	}
	after, err := os.ReadFile(filepath.Join(dir, LockFile))
	if err != nil || bytes.Equal(first, after) || strings.Contains(string(after), "module") && strings.Contains(string(after), "commit =") {
		t.Errorf("%s, %v", after, err)
	}
}

// in is the store of a directory with its usual data directory.
func in(dir string) *Store { return New(dir, filepath.Join(dir, ".stowage")) }
