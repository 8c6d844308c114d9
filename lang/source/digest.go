package source

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const digestPrefix = "h1:"

// Digest is a hash of all files below a directory: SHA-256, in Base64, of one line
// for each file in the order of their paths, with its mode as git has it, the
// SHA-256 of its content (of a link: of where it leads) and its path. Empty
// directories do not count, since git has none.
func Digest(dir string) (string, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	lines := make([]string, 0, len(paths))
	for _, path := range paths {
		mode, sum, err := fileSum(path)
		if err != nil {
			return "", err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%q %s %x\n", filepath.ToSlash(rel), mode, sum))
	}
	slices.Sort(lines)
	all := sha256.Sum256([]byte(strings.Join(lines, "")))
	return digestPrefix + base64.StdEncoding.EncodeToString(all[:]), nil
}

func fileSum(path string) (mode string, sum []byte, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", nil, err
	}
	h := sha256.New()
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		h.Write([]byte(target))
		return "120000", h.Sum(nil), err
	case !info.Mode().IsRegular():
		return "", nil, fmt.Errorf("%s is neither a file nor a link", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	if mode = "100644"; info.Mode()&0o100 != 0 {
		mode = "100755"
	}
	return mode, h.Sum(nil), err
}
