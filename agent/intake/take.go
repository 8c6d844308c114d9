package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/api"
)

const prefix = "sha256:"

// Take brings a blob of size bytes into the store. r gives its bytes from offset
// on, where its part must end: else the error is a "conflict", as it is when an
// earlier part turned out to be wrong and was thrown away. Nothing is read from r
// where the blob is there already. Another Take of the same blob is waited for.
// Errors are *api.Error where the sender can do something about them.
func (i *Intake) Take(ctx context.Context, digest string, size, offset int64, r io.Reader) error {
	name, err := check(digest, size, offset)
	if err != nil {
		return err
	}
	root, err := i.root(ctx)
	if err != nil {
		return err
	}
	release, err := i.hold(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	if there, err := os.Stat(blob(root, name)); err == nil && there.Size() == size {
		return nil
	}
	p, err := open(filepath.Join(dir(root), name), size, offset)
	if err != nil {
		return full(root, err)
	}
	defer p.file.Close()
	if err := p.fill(r, size); err != nil {
		return full(root, err)
	}
	if got := hex.EncodeToString(p.sum.Sum(nil)); got != name {
		if err := p.discard(); err != nil {
			return err
		}
		if offset > 0 {
			return conflict("what had arrived of %s was damaged, and has been thrown away", digest)
		}
		return &api.Error{Code: "invalid", Message: fmt.Sprintf("the bytes sent as %s are %s%s", digest, prefix, got)}
	}
	if err := p.commit(blob(root, name)); err != nil {
		return full(root, err)
	}
	i.mu.Lock()
	i.came[name] = arrival{size, time.Now()}
	i.mu.Unlock()
	return nil
}

// check takes the digest apart.
func check(digest string, size, offset int64) (name string, err error) {
	name, ok := strings.CutPrefix(digest, prefix)
	if b, err := hex.DecodeString(name); !ok || err != nil || len(b) != sha256.Size || name != strings.ToLower(name) {
		return "", &api.Error{Code: "invalid", Message: fmt.Sprintf("%q is no sha256 digest", digest)}
	}
	if offset < 0 || size < offset {
		return "", &api.Error{Code: "invalid", Message: fmt.Sprintf("there is no byte %d in %d", offset, size)}
	}
	return name, nil
}

func conflict(format string, args ...any) error {
	return &api.Error{Code: "conflict", Message: fmt.Sprintf(format, args...)}
}

// full says of a full disk which it is.
func full(root string, err error) error {
	if noSpace(err) {
		return &api.Error{Code: "no_space", Message: fmt.Sprintf("the disk is full that holds containerd's content in %s: %v", root, err)}
	}
	return err
}

func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
