package bootstrap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// binary is a file to be sent to many hosts: its digest is computed, and it is
// compressed, when first asked for and once for all hosts.
type binary struct {
	digest func() (sum, error)
	packed func() (string, error) // gzip
}

type sum struct {
	size   int64
	sha256 string
}

// binaries are those that this process has seen.
var binaries = struct {
	sync.Mutex
	byFile map[string]*binary
}{byFile: map[string]*binary{}}

// open finds the binary for a version of a file.
func open(path string) (*binary, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	binaries.Lock()
	defer binaries.Unlock()
	key := fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())
	b := binaries.byFile[key]
	if b == nil {
		b = &binary{
			digest: sync.OnceValues(func() (sum, error) { return digestFile(path) }),
			packed: sync.OnceValues(func() (string, error) { return packFile(path) }),
		}
		binaries.byFile[key] = b
	}
	return b, nil
}

func digestFile(path string) (sum, error) {
	f, err := os.Open(path)
	if err != nil {
		return sum{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return sum{size: n, sha256: hex.EncodeToString(h.Sum(nil))}, err
}

func packFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var out strings.Builder
	z, err := gzip.NewWriterLevel(&out, 5)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(z, f); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return out.String(), nil
}
