package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
)

// userKey is the per-user key, made if there is none. Of several processes that
// make it at once one wins and all use its key.
func (k *Keyring) userKey() (source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	path, err := k.userKeyFile()
	if err != nil {
		return source{}, fmt.Errorf("%w: there is no place to keep one: %w; set %s", ErrKey, err, envKey)
	}
	if s, err := k.userSource(); err != nil || len(s.identities) > 0 {
		return s, err
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return source{}, err
	}
	made, err := writeKeyFile(path, id)
	if err != nil {
		return source{}, fmt.Errorf("make a key for the state: %w", err)
	}
	if made {
		k.o.Notice(fmt.Sprintf("made a key for sensitive values: %s (recipient %s); back it up, without it the state cannot be read",
			path, id.Recipient()))
	}
	return k.userSource()
}

// writeKeyFile writes the key under a name of its own and links it into place,
// which fails where another process was faster: made is false then.
func writeKeyFile(path string, id *age.X25519Identity) (made bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_, err = fmt.Fprintf(f, "# created: %s\n# public key: %s\n%s\n", time.Now().Format(time.RFC3339), id.Recipient(), id)
	if err != nil {
		return false, err
	}
	if err := f.Sync(); err != nil {
		return false, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return true, err
	}
	defer d.Close()
	return true, d.Sync()
}
