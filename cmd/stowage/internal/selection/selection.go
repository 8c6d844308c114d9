// Package selection is the file of a user that belongs to no repository: which
// context is chosen in each configuration's directory, and which environment
// variables (credentials, for example) hold in each of its contexts.
//
// It is JSON, of mode 0600, at $XDG_CONFIG_HOME/stowage/contexts.json, replaced
// as a whole under a lock:
//
//	{
//	  "format_version": 1,
//	  "directories": {
//	    "/home/ann/shop": {
//	      "context": "prod",
//	      "environment": { "prod": { "AWS_PROFILE": "shop-prod" } }
//	    }
//	  }
//	}
package selection

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// FormatVersion of the file that this version writes.
const FormatVersion = 1

// maxSize bounds what is read, bytes.
const maxSize = 16 << 20

// File is the content of the file.
type File struct {
	FormatVersion int `json:"format_version"`
	// Directories are by the real path of the configuration's directory.
	Directories map[string]*Directory `json:"directories"`
}

// Directory is what holds in one configuration's directory.
type Directory struct {
	Context string `json:"context,omitempty"` // "" where none is chosen
	// Environment holds variables by context and name.
	Environment map[string]map[string]string `json:"environment,omitempty"`
}

// Path is where the file is, by XDG_CONFIG_HOME or HOME.
func Path(getenv func(string) string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set, so that there is no place for what is yours")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "stowage", "contexts.json"), nil
}

// Read reads the file; without one it is empty. A file that others may read, that
// is damaged or of a later version is an error that says what to do.
func Read(path string) (*File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{FormatVersion: FormatVersion, Directories: map[string]*Directory{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the file %s has the mode %04o, so that others can read or change your credentials; run: chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("the file %s has %d bytes and is not one of stowage; move it away", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("the file %s is damaged (%v); repair it, or remove it and choose your contexts anew with \"stowage context use\"", path, err)
	}
	if f.FormatVersion > FormatVersion {
		return nil, fmt.Errorf("the file %s has the format %d and this version of stowage reads %d: use a newer one", path, f.FormatVersion, FormatVersion)
	}
	if f.Directories == nil {
		f.Directories = map[string]*Directory{}
	}
	maps.DeleteFunc(f.Directories, func(_ string, d *Directory) bool { return d == nil })
	return f, nil
}

// In is what holds in a directory, by its real path. It is not part of the file
// as long as Edit's change does not write to it.
func (f *File) In(dir string) *Directory {
	if d := f.Directories[dir]; d != nil {
		return d
	}
	return &Directory{}
}

// Edit replaces the file by what change makes of it. Of several processes that
// edit at once none loses what another has written.
func Edit(path string, change func(*File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	f, err := Read(path)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	for dir, d := range f.Directories {
		for context, env := range d.Environment {
			if len(env) == 0 {
				delete(d.Environment, context)
			}
		}
		if d.Context == "" && len(d.Environment) == 0 {
			delete(f.Directories, dir)
		}
	}
	f.FormatVersion = FormatVersion
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append(text, '\n'))
}
