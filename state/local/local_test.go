package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) func() state.Backend {
		path := filepath.Join(t.TempDir(), "sub", "dev.json")
		return func() state.Backend { return local.New(path) }
	})
}

// keys are those of one test: nothing of the user's is read or made.
func keys(t *testing.T) *state.Keyring {
	dir := t.TempDir()
	return state.NewKeyring(state.KeyOptions{Getenv: func(name string) string {
		if name == "XDG_CONFIG_HOME" {
			return dir
		}
		return ""
	}})
}

func pod(n int, sensitive bool) *state.Instance {
	i := &state.Instance{Address: fmt.Sprintf("pod.web[%d]", n), Kind: "pod",
		Value: fmt.Appendf(nil, `{"n":%d}`, n)}
	if sensitive {
		i.Sensitive = []string{"n"}
	}
	return i
}

// apply records n pods as one operation.
func apply(t *testing.T, s *state.Store, n int, sensitive bool) *state.State {
	t.Helper()
	l, err := s.Lock(t.Context(), "apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	loaded, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j, err := l.Begin(t.Context(), loaded, state.Operation{Name: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := j.Done(pod(i, sensitive).Address, pod(i, sensitive)); err != nil {
			t.Fatal(err)
		}
	}
	final, err := j.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return final
}

func TestFilesArePrivateAndBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	s := state.NewStore(local.New(path), state.Options{Keys: keys(t)})
	for range 15 {
		apply(t, s, 1, false)
	}
	err := filepath.WalkDir(filepath.Dir(path), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	versions, err := os.ReadDir(path + ".backups")
	if err != nil || len(versions) != 10 {
		t.Errorf("%d earlier versions, %v", len(versions), err)
	}
	for _, gone := range []string{".lock", ".journal", ".new", ".journal.new"} {
		if _, err := os.Stat(path + gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", gone, err)
		}
	}
	// An earlier version is a whole state: put back, it is accepted.
	last := filepath.Join(path+".backups", versions[9].Name())
	if err := os.Rename(last, path); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Load(t.Context()); err != nil || len(l.State.Instances) != 1 {
		t.Errorf("the earlier version: %+v, %v", l, err)
	}
}

func TestNothingSensitiveOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	s := state.NewStore(local.New(path), state.Options{Keys: keys(t)})
	secret := &state.Instance{Address: "secret.db", Kind: "secret", Value: []byte(`{"value":"hunter2"}`), Sensitive: []string{"value"}}
	l, err := s.Lock(t.Context(), "apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	loaded, _ := l.Load(t.Context())
	j, err := l.Begin(t.Context(), loaded, state.Operation{Name: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Done(secret.Address, secret); err != nil {
		t.Fatal(err)
	}
	nowhere := func(when string) {
		t.Helper()
		filepath.WalkDir(filepath.Dir(path), func(p string, d fs.DirEntry, err error) error {
			if data, _ := os.ReadFile(p); bytes.Contains(data, []byte("hunter2")) {
				t.Errorf("%s: %s holds the secret", when, p)
			}
			return err
		})
	}
	nowhere("in the journal")
	if got, err := s.Load(t.Context()); err != nil || string(got.State.Instances["secret.db"].Value) != string(secret.Value) || !got.Encrypted {
		t.Fatalf("read while the apply runs: %+v, %v", got, err)
	}
	if _, err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	nowhere("in the state")
	if got, err := s.Load(t.Context()); err != nil || string(got.State.Instances["secret.db"].Value) != string(secret.Value) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestDamagedStateNamesItsEarlierVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	s := state.NewStore(local.New(path), state.Options{Keys: keys(t)})
	apply(t, s, 3, false)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string][]byte{
		"cut":          data[:len(data)/2],
		"empty":        {},
		"edited":       bytes.Replace(data, []byte(`{"n":1}`), []byte(`{"n":9}`), 1),
		"not a state":  []byte("hello\n"),
		"of Terraform": []byte(`{"version":4,"terraform_version":"1.9.0","serial":3,"lineage":"x"}` + "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, damage, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Load(t.Context())
			if !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), path+".backups") {
				t.Errorf("got %v", err)
			}
		})
	}
	newer := bytes.Replace(data, []byte(`"format_version":1`), []byte(`"format_version":2`), 1)
	os.WriteFile(path, newer, 0o600)
	if _, err := s.Load(t.Context()); !errors.Is(err, state.ErrNewer) {
		t.Errorf("newer: %v", err)
	}
}
