package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces a file atomically. mode 0 keeps the file's own. A symbolic
// link stays one: what it points to is replaced. What is no file, as a pipe or
// /dev/null, is written to, since in its place a file would be of harm.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return writeTo(path, content)
	}
	switch {
	case mode == 0 && err == nil:
		mode = info.Mode().Perm()
	case mode == 0:
		mode = 0o644
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		if of := (*fs.PathError)(nil); errors.As(err, &of) {
			err = &fs.PathError{Op: "write", Path: path, Err: of.Err} // not the temporary file
		}
		return err
	}
	defer os.Remove(f.Name())
	err = f.Chmod(mode)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func writeTo(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
