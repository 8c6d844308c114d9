package run

import (
	"path/filepath"

	"github.com/stowage-iac/stowage/lang/source"
)

// DataDirEnv is the environment variable that names the directory for what belongs to
// one working copy; default .stowage. A relative one is below the configuration's.
const DataDirEnv = "STOWAGE_DATA_DIR"

const defaultDataDir = ".stowage"

// dataDir is where the configuration in dir keeps what belongs to its working copy.
func (r *Run) dataDir(dir string) string {
	data := r.T.Getenv(DataDirEnv)
	switch {
	case data == "":
		data = defaultDataDir
	case filepath.IsAbs(data):
		return data
	}
	return filepath.Join(dir, data)
}

// modules are those that the configuration in dir calls from git.
func (r *Run) modules(dir string) *source.Store { return source.New(dir, r.dataDir(dir)) }
