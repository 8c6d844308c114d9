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

// binary is a file ready to be sent to many hosts.
type binary struct {
	size   int64
	sha256 string
	gzip   string
}

// packs holds what was compressed in this process: once for all hosts.
var packs = struct {
	sync.Mutex
	byFile map[string]func() (binary, error)
}{byFile: map[string]func() (binary, error){}}

// packed reads and compresses a file, once per version of the file.
func packed(path string) (binary, error) {
	st, err := os.Stat(path)
	if err != nil {
		return binary{}, err
	}
	key := fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())
	packs.Lock()
	once, ok := packs.byFile[key]
	if !ok {
		once = sync.OnceValues(func() (binary, error) { return pack(path) })
		packs.byFile[key] = once
	}
	packs.Unlock()
	return once()
}

func pack(path string) (binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return binary{}, err
	}
	defer f.Close()
	var out strings.Builder
	sum := sha256.New()
	z, err := gzip.NewWriterLevel(&out, 5)
	if err != nil {
		return binary{}, err
	}
	n, err := io.Copy(io.MultiWriter(sum, z), f)
	if err != nil {
		return binary{}, err
	}
	if err := z.Close(); err != nil {
		return binary{}, err
	}
	return binary{size: n, sha256: hex.EncodeToString(sum.Sum(nil)), gzip: out.String()}, nil
}
