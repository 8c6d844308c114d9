package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

func newKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func keyring(vars map[string]string, recipients ...string) *state.Keyring {
	return state.NewKeyring(state.KeyOptions{Recipients: recipients, Getenv: func(n string) string { return vars[n] }})
}

// Each source of keys alone opens what it sealed.
func TestKeySources(t *testing.T) {
	id, other := newKey(t), newKey(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("# mine\n"+id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*state.Keyring{
		"environment":   keyring(map[string]string{"STOWAGE_AGE_KEY": id.String()}),
		"file":          keyring(map[string]string{"STOWAGE_AGE_KEY_FILE": file}),
		"configuration": keyring(map[string]string{"STOWAGE_AGE_KEY": id.String()}, other.Recipient().String(), id.Recipient().String()),
		"passphrase":    keyring(map[string]string{"STOWAGE_PASSPHRASE": "correct horse"}),
		"per user":      keyring(map[string]string{"HOME": t.TempDir()}),
	} {
		t.Run(name, func(t *testing.T) {
			sealed, err := k.Seal([]byte("plan"), []byte("aad"))
			if err != nil {
				t.Fatal(err)
			}
			if !state.IsSealed(sealed) || strings.Contains(string(sealed), "plan") {
				t.Errorf("sealed: %q", sealed)
			}
			if got, err := k.Open(sealed, []byte("aad")); err != nil || string(got) != "plan" {
				t.Errorf("opened: %q, %v", got, err)
			}
			if _, err := k.Open(sealed, []byte("other")); !errors.Is(err, state.ErrDamaged) {
				t.Errorf("with other authenticated data: %v", err)
			}
			for at := range sealed {
				flipped := append([]byte{}, sealed...)
				flipped[at] ^= 1
				if name == "passphrase" && at > 40 && at < len(sealed)-4 {
					continue // a second each
				}
				if got, err := k.Open(flipped, []byte("aad")); err == nil {
					t.Fatalf("byte %d flipped, and it opens: %q", at, got)
				}
			}
		})
	}
}

func TestMissingKeySaysWhatItTried(t *testing.T) {
	id := newKey(t)
	sealed, err := keyring(map[string]string{"STOWAGE_AGE_KEY": id.String()}).Seal([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for name, vars := range map[string]map[string]string{
		"none":  {"HOME": home},
		"wrong": {"HOME": home, "STOWAGE_AGE_KEY": newKey(t).String()},
	} {
		_, err := keyring(vars).Open(sealed, nil)
		if !errors.Is(err, state.ErrKey) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, part := range []string{id.Recipient().String(), "STOWAGE_AGE_KEY", "STOWAGE_AGE_KEY_FILE (not set)",
			filepath.Join(home, ".config/stowage/key.txt") + " (absent)"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %s", name, err, part)
			}
		}
	}
	phrase, err := keyring(map[string]string{"STOWAGE_PASSPHRASE": "a"}).Seal([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, vars := range []map[string]string{{}, {"STOWAGE_PASSPHRASE": "b"}} {
		if _, err := keyring(vars).Open(phrase, nil); !errors.Is(err, state.ErrKey) || !strings.Contains(err.Error(), "STOWAGE_PASSPHRASE") {
			t.Errorf("%v: %v", vars, err)
		}
	}
}

// A malformed key is refused without printing it.
func TestMalformedKeys(t *testing.T) {
	for name, vars := range map[string]map[string]string{
		"environment": {"STOWAGE_AGE_KEY": "AGE-SECRET-KEY-1HUNTER2"},
		"absent file": {"STOWAGE_AGE_KEY_FILE": "/nowhere/key"},
	} {
		_, err := keyring(vars).Seal([]byte("x"), nil)
		if !errors.Is(err, state.ErrKey) || strings.Contains(err.Error(), "HUNTER2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := keyring(nil).Seal([]byte("x"), nil); !errors.Is(err, state.ErrKey) {
		t.Errorf("no home: %v", err)
	}
}

// Whoever encrypts to others only would not read it again: refused before anything is written.
func TestRecipientsMustIncludeOneself(t *testing.T) {
	k := keyring(map[string]string{"STOWAGE_AGE_KEY": newKey(t).String()}, newKey(t).Recipient().String())
	if _, err := k.Seal([]byte("x"), nil); !errors.Is(err, state.ErrKey) {
		t.Errorf("got %v", err)
	}
}

// Processes that need the per-user key at once make one, and say so once.
func TestPerUserKeyIsMadeOnce(t *testing.T) {
	home := t.TempDir()
	var mu sync.Mutex
	var notices []string
	var wg sync.WaitGroup
	sealed := make([][]byte, 8)
	for n := range sealed {
		wg.Go(func() {
			k := state.NewKeyring(state.KeyOptions{Getenv: func(n string) string { return map[string]string{"HOME": home}[n] },
				Notice: func(s string) { mu.Lock(); notices = append(notices, s); mu.Unlock() }})
			var err error
			if sealed[n], err = k.Seal([]byte("x"), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(notices) != 1 || !strings.Contains(notices[0], "back it up") {
		t.Errorf("notices: %q", notices)
	}
	k := keyring(map[string]string{"HOME": home})
	for _, s := range sealed {
		if _, err := k.Open(s, nil); err != nil {
			t.Error(err)
		}
	}
	entries, _ := os.ReadDir(filepath.Join(home, ".config/stowage"))
	if info, err := os.Stat(filepath.Join(home, ".config/stowage/key.txt")); err != nil || info.Mode().Perm() != 0o600 || len(entries) != 1 {
		t.Errorf("%v, %v, %v", info, entries, err)
	}
}

// Recipients that the configuration adds can read what is written next.
func TestChangedRecipients(t *testing.T) {
	ann, bob := newKey(t), newKey(t)
	m := &statetest.Memory{}
	s := state.NewStore(m, state.Options{Keys: keyring(map[string]string{"STOWAGE_AGE_KEY": ann.String()})})
	begin(t, s, "apply").done("secret.x").end()
	bobs := state.NewStore(m, state.Options{Keys: keyring(map[string]string{"STOWAGE_AGE_KEY": bob.String()})})
	if _, err := bobs.Load(t.Context()); !errors.Is(err, state.ErrKey) {
		t.Errorf("before: %v", err)
	}
	both := keyring(map[string]string{"STOWAGE_AGE_KEY": ann.String()}, ann.Recipient().String(), bob.Recipient().String())
	run := begin(t, state.NewStore(m, state.Options{Keys: both}), "apply").done("secret.y")
	run.die()
	if got := load(t, s); len(got.State.Instances) != 2 {
		t.Errorf("ann reads %d", len(got.State.Instances))
	}
	begin(t, state.NewStore(m, state.Options{Keys: both}), "apply").end()
	if got := load(t, bobs); len(got.State.Instances) != 2 {
		t.Errorf("bob reads %d", len(got.State.Instances))
	}
}

// A state of another lineage than the expected one is refused.
func TestForeignLineage(t *testing.T) {
	m := &statetest.Memory{}
	begin(t, store(t, m), "apply").done("pod.a").end()
	s := state.NewStore(m, state.Options{Keys: testKeys(t), Lineage: "another"})
	if _, err := s.Load(t.Context()); !errors.Is(err, state.ErrForeign) {
		t.Errorf("got %v", err)
	}
}
