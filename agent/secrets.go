package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/stowage-iac/stowage/api"
)

// keyFile reads the node's age identity from its file.
func keyFile(path string) func() (age.Identity, error) {
	return func() (age.Identity, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		ids, err := age.ParseIdentities(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return ids[0], nil
	}
}

// unseal opens a replica's bundle.
func unseal(sealed []byte, identity func() (age.Identity, error)) (api.SealedBundle, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	id, err := identity()
	if err != nil {
		return nil, fmt.Errorf("the node's key: %w", err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		var none *age.NoIdentityMatchError
		if errors.As(err, &none) {
			return nil, errors.New("they are not sealed for this node: apply again, so that they are")
		}
		return nil, err
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var bundle api.SealedBundle
	if err := json.Unmarshal(plain, &bundle); err != nil {
		return nil, errors.New("the bundle's content is damaged") // not err: it may quote the content
	}
	return bundle, nil
}

// mountSecrets makes dir a tmpfs that only root can enter.
func mountSecrets(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if isTmpfs(dir) {
		return nil
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV) // exec: start programs are run from here
	err := unix.Mount("stowage-secrets", dir, "tmpfs", flags, "mode=0700,noswap")
	if errors.Is(err, unix.EINVAL) { // noswap came with Linux 6.4
		err = unix.Mount("stowage-secrets", dir, "tmpfs", flags, "mode=0700")
	}
	if err != nil {
		return fmt.Errorf("mount a tmpfs for secrets at %s: %w", dir, err)
	}
	return nil
}

// isTmpfs is whether dir itself is where a tmpfs is mounted.
func isTmpfs(dir string) bool {
	var here, above unix.Stat_t
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC &&
		unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}
