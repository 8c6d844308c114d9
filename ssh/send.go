package ssh

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Upload is a file to be written on a host.
type Upload struct {
	Path    string
	Mode    fs.FileMode
	Size    int64  // bytes of the file
	SHA256  string // of the file, hex
	Gzip    bool   // Content is the file compressed by gzip; the host unpacks it
	Content io.Reader
}

// sendScript writes the file under a temporary name, verifies it, and renames
// it. Digest and size come first on standard input, since the digest of a short
// secret on the command line would give it away. Parameters: path, filter, mode.
const sendScript = `set -eu
f=%s
[ ! -d "$f" ] || { echo "$f is a directory" >&2; exit 1; }
d=$(dirname "$f")
mkdir -p "$d"
t=$(umask 077; mktemp "$d/.stowage-put.XXXXXXXX")
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
IFS=' ' read -r sum size
%s > "$t"
got=$(wc -c < "$t"); got=$((got))
[ "$got" = "$size" ] || { echo "$f: $got of $size bytes arrived" >&2; exit 1; }
got=$(sha256sum < "$t"); got=${got%%%% *}
[ "$got" = "$sum" ] || { echo "$f: content changed on the way" >&2; exit 1; }
chown 0:0 "$t"
chmod %o "$t"
sync "$t" 2>/dev/null || sync
mv -f "$t" "$f"
trap - EXIT
sync "$d" 2>/dev/null || sync`

// Send writes a file on a host atomically: temporary name, size and digest
// verified, owned by root, synced, renamed. Parent directories are created with
// mode 0755. What a broken connection leaves is at most a temporary file of its own name.
func Send(ctx context.Context, h Host, u Upload) error {
	filter := "cat"
	if u.Gzip {
		filter = "gzip -dc"
	}
	head := strings.NewReader(fmt.Sprintf("%s %d\n", u.SHA256, u.Size))
	_, err := h.Run(ctx, Command{
		Script: fmt.Sprintf(sendScript, Quote(u.Path), filter, u.Mode.Perm()),
		Stdin:  io.MultiReader(head, u.Content),
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrNoSpace) {
		return fmt.Errorf("%s: write %s: %w: free %d MiB there and try again", h.Name(), u.Path, ErrNoSpace, u.Size>>20+1)
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: write %s: %s", h.Name(), u.Path, lastLine(exit.Output.Stderr))
	}
	return fmt.Errorf("write %s: %w", u.Path, err)
}

// inMemory is the size up to which content that cannot be rewound is kept in
// memory to compute its digest; above, a temporary file holds it.
const inMemory = 1 << 20

// put implements Host.Put with Send.
func put(ctx context.Context, h Host, path string, mode fs.FileMode, size int64, content io.Reader) error {
	seekable, done, err := rewindable(content)
	if err != nil {
		return fmt.Errorf("%s: write %s: %w", h.Name(), path, err)
	}
	defer done()
	sum := sha256.New()
	n, err := io.Copy(sum, seekable)
	if err == nil {
		_, err = seekable.Seek(-n, io.SeekCurrent)
	}
	if err != nil {
		return fmt.Errorf("%s: write %s: read its content: %w", h.Name(), path, err)
	}
	if size >= 0 && n != size {
		return fmt.Errorf("%s: write %s: content has %d bytes instead of %d", h.Name(), path, n, size)
	}
	return Send(ctx, h, Upload{Path: path, Mode: mode, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Content: seekable})
}

func rewindable(content io.Reader) (io.ReadSeeker, func(), error) {
	if s, ok := content.(io.ReadSeeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			return s, func() {}, nil
		}
	}
	var head bytes.Buffer
	n, err := io.CopyN(&head, content, inMemory+1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if n <= inMemory {
		return bytes.NewReader(head.Bytes()), func() {}, nil
	}
	f, err := os.CreateTemp("", "stowage-put-*")
	if err != nil {
		return nil, nil, err
	}
	done := func() { f.Close(); os.Remove(f.Name()) }
	if _, err = io.Copy(f, io.MultiReader(&head, content)); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}
