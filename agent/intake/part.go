package intake

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/stowage-iac/stowage/api"
)

const (
	// buffer is what one Take needs of memory.
	buffer = 256 << 10
	// writeBack is after how many bytes the kernel is asked to begin writing them to
	// the disk, so that little is left to wait for at the end.
	writeBack = 8 << 20
)

// part is an open part and the hash of all that is in it.
type part struct {
	file    *os.File
	sum     hash.Hash
	size    int64
	started int64 // so many bytes are on their way to the disk
}

// open opens a part, of a blob of size bytes, which must have offset bytes.
func open(path string, size, offset int64) (*part, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &part{file: f, sum: sha256.New()}
	if err := p.resume(size, offset); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// resume reads what is there already.
func (p *part) resume(size, offset int64) error {
	there, err := p.file.Stat()
	switch {
	case err != nil:
		return err
	case there.Size() > size:
		return errors.Join(conflict("%d bytes had arrived of %d, and have been thrown away", there.Size(), size), p.discard())
	case there.Size() != offset:
		return conflict("%d bytes have arrived, not %d", there.Size(), offset)
	}
	p.size, err = io.Copy(p.sum, p.file)
	p.started = p.size
	return err
}

// fill appends what r gives until the part has size bytes.
func (p *part) fill(r io.Reader, size int64) error {
	_, err := io.CopyBuffer(p, io.LimitReader(r, size-p.size), make([]byte, buffer))
	var ours *fs.PathError
	switch {
	case noSpace(err):
		return errors.Join(err, p.discard()) // the host needs the space more than the next push does
	case errors.As(err, &ours):
		return err
	case err == nil && p.size < size:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil:
		return &api.Error{Code: "unavailable", Message: fmt.Sprintf("the sender stopped after %d of %d bytes: %v", p.size, size, err)}
	}
	return nil
}

// Write appends b.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.sum.Write(b[:n])
	p.size += int64(n)
	if ready := p.size - p.started; ready >= writeBack {
		_ = unix.SyncFileRange(int(p.file.Fd()), p.started, ready, unix.SYNC_FILE_RANGE_WRITE) // a hint
		p.started = p.size
	}
	return n, err
}

// commit moves the part to its place in the store. When it returns, the name is on
// the disk, and before that the bytes were: only then is containerd told of it.
func (p *part) commit(blob string) error {
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		return err
	}
	if err := errors.Join(p.file.Chmod(0o444), p.file.Sync()); err != nil { // the mode that containerd gives
		return err
	}
	if err := os.Rename(p.file.Name(), blob); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(blob))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (p *part) discard() error { return os.Remove(p.file.Name()) }
