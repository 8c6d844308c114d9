package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/lang"
)

// ErrNotInstalled is for modules that "stowage init" has to bring first.
var ErrNotInstalled = errors.New("it is not installed: run \"stowage init\"")

// Store are the modules from git of one configuration. Safe for concurrent use.
type Store struct {
	dir  string
	data string

	mu      sync.Mutex
	loaded  bool
	locks   map[string]Locked
	checked map[string]string // digests of directories, computed once
}

// New returns the modules of the configuration in dir, which are kept in data, a
// directory that is never committed. Nothing is read yet.
func New(dir, data string) *Store { return &Store{dir: dir, data: data, checked: map[string]string{}} }

func (s *Store) load() error {
	if s.loaded {
		return nil
	}
	locks, err := readLock(s.dir)
	if err != nil {
		return err
	}
	s.locks, s.loaded = locks, true
	return nil
}

// Find returns where an installed module is; it implements lang.Options.Module. One
// that is not there is ErrNotInstalled, and one whose files are not those that the
// lock file records is refused.
func (s *Store) Find(source string) (lang.Tree, error) {
	a, err := Parse(source)
	if err != nil {
		return lang.Tree{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return lang.Tree{}, err
	}
	locked, ok := s.locks[a.Lock()]
	if !ok {
		return lang.Tree{}, ErrNotInstalled
	}
	root := s.root(a, locked.Commit)
	digest, err := s.digest(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return lang.Tree{}, ErrNotInstalled
	case err != nil:
		return lang.Tree{}, err
	case digest != locked.Digest:
		return lang.Tree{}, fmt.Errorf("its files in %s are not those that %s records: they have the digest %s, and not %s. Somebody changed one of the two. "+
			"\"stowage init\" brings the files of the recorded commit again", root, LockFile, digest, locked.Digest)
	}
	return a.tree(root)
}

// tree is the module in the files of its repository.
func (a Address) tree(root string) (lang.Tree, error) {
	dir := filepath.Join(root, filepath.FromSlash(a.Dir))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return lang.Tree{}, fmt.Errorf("the repository %s has no directory %s at this commit", a.URL, a.Dir)
	}
	return lang.Tree{Root: root, Dir: dir}, nil
}

func (s *Store) modules() string { return filepath.Join(s.data, "modules") }

func (s *Store) root(a Address, commit string) string {
	return filepath.Join(s.modules(), a.folder(commit))
}

func (s *Store) digest(root string) (string, error) {
	if d, ok := s.checked[root]; ok {
		return d, nil
	}
	d, err := Digest(root)
	if err == nil {
		s.checked[root] = d
	}
	return d, err
}

// prepare makes the directory for modules, which is never committed, and removes
// what killed runs left in it.
func (s *Store) prepare() error {
	if err := os.MkdirAll(s.modules(), 0o755); err != nil {
		return err
	}
	ignore := filepath.Join(s.data, ".gitignore")
	if _, err := os.Lstat(ignore); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o644); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.modules())
	for _, e := range entries {
		if info, statErr := e.Info(); strings.HasPrefix(e.Name(), temporary) && statErr == nil && time.Since(info.ModTime()) > 2*Timeout {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.modules(), e.Name())))
		}
	}
	return err
}

const temporary = ".new-"

// Installed is what Install did for one source.
type Installed struct {
	Source   string // as the lock file names it
	Commit   string
	Before   string // the commit that was recorded before; "" for a new source
	Fetched  bool   // the files were not there, or not these
	Location string // the directory of the files
}

// Install brings the module of a source: at the commit that the lock file records,
// or, for a new source and with upgrade, at what its ref is now. The lock file is
// written by Save.
func (s *Store) Install(ctx context.Context, source string, upgrade bool) (lang.Tree, Installed, error) {
	a, err := Parse(source)
	if err != nil {
		return lang.Tree{}, Installed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.load(), s.prepare()); err != nil {
		return lang.Tree{}, Installed{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("it took longer than %s", Timeout))
	defer cancel()
	locked, known := s.locks[a.Lock()]
	done := Installed{Source: a.Lock(), Before: locked.Commit, Commit: locked.Commit}
	if !known || upgrade {
		if done.Commit, err = resolve(ctx, a); err != nil {
			return lang.Tree{}, done, err
		}
	}
	if done.Commit != "" {
		done.Location = s.root(a, done.Commit)
		digest, err := s.digest(done.Location)
		if err == nil && known && done.Commit == locked.Commit && digest == locked.Digest {
			t, err := a.tree(done.Location)
			return t, done, err
		}
	}
	digest, err := s.fetch(ctx, a, &done)
	if err != nil {
		return lang.Tree{}, done, err
	}
	if known && done.Commit == locked.Commit && digest != locked.Digest {
		return lang.Tree{}, done, fmt.Errorf("the commit %s of %s has files with the digest %s, and %s records %s: one of the two was tampered with. If the lock file is wrong, delete its block and run \"stowage init\" again",
			done.Commit, a.URL, digest, LockFile, locked.Digest)
	}
	s.locks[a.Lock()] = Locked{Commit: done.Commit, Digest: digest}
	t, err := a.tree(done.Location)
	return t, done, err
}

// fetch brings the files of done.Commit, in one step.
func (s *Store) fetch(ctx context.Context, a Address, done *Installed) (digest string, err error) {
	dir, err := os.MkdirTemp(s.modules(), temporary)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if done.Commit, err = fetch(ctx, a, done.Commit, dir); err != nil {
		return "", err
	}
	files := filepath.Join(dir, "files")
	if digest, err = Digest(files); err != nil {
		return "", err
	}
	done.Location, done.Fetched = s.root(a, done.Commit), true
	if locked, known := s.locks[a.Lock()]; known && locked.Commit == done.Commit && locked.Digest != digest {
		return digest, nil // not put in place: Install refuses it
	}
	s.checked[done.Location] = digest
	return digest, install(files, done.Location)
}

// Save writes the lock file, if it differs: with what Install found, and without
// sources that used does not name, unless used is nil. It reports whether it wrote it.
func (s *Store) Save(used map[string]bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return false, err
	}
	for name := range s.locks {
		if used != nil && !used[name] {
			delete(s.locks, name)
		}
	}
	path := filepath.Join(s.dir, LockFile)
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	text := formatLock(s.locks)
	if len(s.locks) == 0 && before == nil || string(before) == string(text) {
		return false, nil
	}
	tmp, err := os.CreateTemp(s.dir, "."+LockFile+"-")
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return false, err
	}
	return true, os.Rename(tmp.Name(), path)
}
