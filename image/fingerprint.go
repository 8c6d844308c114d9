package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"time"
)

// fingerprintVersion changes whenever the same files give other bytes than before.
const fingerprintVersion = 1

// settle is how old the newest change must be for a fingerprint to be trusted: a
// file changed again within the clock tick of its time stamps looks the same.
const settle = 2 * time.Second

// fingerprint stands for the content of files without reading them: names,
// sizes, modes, inodes and both times of change, of which the second (ctime)
// cannot be set back.
type fingerprint struct {
	hash   hash.Hash
	newest time.Time
	unsure bool // no inode and ctime to be had
}

func newFingerprint(what ...any) *fingerprint {
	f := &fingerprint{hash: sha256.New()}
	fmt.Fprintf(f.hash, "%d\x00", fingerprintVersion)
	for _, w := range what {
		fmt.Fprintf(f.hash, "%q\x00", fmt.Sprint(w))
	}
	return f
}

// add takes a file in.
func (f *fingerprint) add(name string, info fs.FileInfo) {
	s, ok := statOf(info)
	if !ok {
		f.unsure = true
		return
	}
	fmt.Fprintf(f.hash, "%q %d %o %d %d %d %d\x00", name, info.Size(), info.Mode(), info.ModTime().UnixNano(),
		s.changed.UnixNano(), s.inode, s.device)
	for _, t := range []time.Time{info.ModTime(), s.changed} {
		if t.After(f.newest) {
			f.newest = t
		}
	}
}

// key is the fingerprint, and whether it can be trusted as of the time at which
// the files were looked at.
func (f *fingerprint) key(at time.Time) (key string, trusted bool) {
	return hex.EncodeToString(f.hash.Sum(nil)), !f.unsure && f.newest.Before(at.Add(-settle))
}

type stat struct {
	changed       time.Time
	inode, device uint64
}
