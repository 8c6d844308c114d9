package state

import "path/filepath"

// Env is what a backend may use of the process that opens it.
type Env struct {
	// Getenv reads the environment: credentials come from there.
	Getenv func(string) string
	// Dir is a directory of the working copy (.stowage) for what a backend must keep
	// on this machine. It is made when it is needed.
	Dir string
	// Base is the directory that paths are relative to; "" is the working directory.
	Base string
}

// Path is a path among a backend's arguments as the process sees it.
func (e Env) Path(path string) string {
	if e.Base == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Base, path)
}
