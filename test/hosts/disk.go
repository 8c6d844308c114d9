package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A host's directory in the lab's:
//
//	disk/upper, disk/work   what the host wrote, over the base image
//	disk/containerd         /var/lib/containerd, a plain directory, because
//	                        containerd's overlayfs cannot sit on an overlay
//	disk.img                the file system under disk, when its size is limited
//	root                    the host's root as it sees it, all put together
//	console.log             what the host prints on its console
type disk struct{ dir string }

func (d disk) root() string    { return filepath.Join(d.dir, "root") }
func (d disk) console() string { return filepath.Join(d.dir, "console.log") }
func (d disk) store() string   { return filepath.Join(d.dir, "disk") }

// create makes an empty disk of at most size bytes (0: the machine's space)
// over the base image and mounts it. Where the machine's own disk is an
// overlay, as in a container, the disk is always an image.
func (d disk) create(ctx context.Context, base string, size int64) error {
	for _, dir := range []string{d.root(), d.store()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if size == 0 && onOverlay(d.dir) {
		size = 16 << 30 // sparse
	}
	if size > 0 {
		image := filepath.Join(d.dir, "disk.img")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(image, size); err != nil {
			return err
		}
		if _, err := run(ctx, "mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image); err != nil {
			return err
		}
		if _, err := run(ctx, "mount", "-o", "loop", image, d.store()); err != nil {
			return err
		}
	}
	upper, work, containerd := filepath.Join(d.store(), "upper"), filepath.Join(d.store(), "work"), filepath.Join(d.store(), "containerd")
	for _, dir := range []string{upper, work, containerd} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(containerd, 0o711); err != nil {
		return err
	}
	options := "lowerdir=" + base + ",upperdir=" + upper + ",workdir=" + work
	if err := syscall.Mount("overlay", d.root(), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount an overlay on %s: %w", d.root(), err)
	}
	inner := filepath.Join(d.root(), "var/lib/containerd")
	if err := os.MkdirAll(inner, 0o711); err != nil {
		return err
	}
	if err := syscall.Mount(containerd, inner, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", inner, err)
	}
	return nil
}

// onOverlay reports whether a directory is on an overlay, which cannot hold the
// upper directory of another one.
func onOverlay(dir string) bool {
	const overlayMagic = 0x794c7630
	var stat syscall.Statfs_t
	return syscall.Statfs(dir, &stat) == nil && stat.Type == overlayMagic
}

// write puts a file on the host's disk.
func (d disk) write(path string, data []byte, mode fs.FileMode) error {
	path = filepath.Join(d.root(), path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// fill leaves no more than left bytes free.
func (d disk) fill(left int64) error {
	if !exists(filepath.Join(d.dir, "disk.img")) {
		return errors.New("its disk has no size; set Options.Disk, as nobody wants the machine's disk full")
	}
	if err := d.free(); err != nil {
		return err
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(d.store(), &stat); err != nil {
		return err
	}
	size := int64(stat.Bavail)*stat.Bsize - left
	if size <= 0 {
		return nil
	}
	file, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	// The file's own bookkeeping takes some of the room.
	for ; size > 0; size -= 64 << 10 {
		err := syscall.Fallocate(int(file.Fd()), 0, 0, size)
		if err == nil || !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

// free undoes fill.
func (d disk) free() error {
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// filler lies beside the host's own files: it cannot see it, as little as
// somebody else's data on a full disk.
func (d disk) filler() string { return filepath.Join(d.store(), "filler") }

// mountsUnder lists the mount points at and below a directory, innermost last.
func mountsUnder(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			point := unescape(fields[4])
			if point == dir || strings.HasPrefix(point, dir+"/") {
				found = append(found, point)
			}
		}
	}
	return found, nil
}

// unescape undoes the kernel's \040 for a space, and so on.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// removeTree unmounts all below a directory and removes it. It removes nothing
// while something is still mounted there: what a mount shows belongs to others.
func removeTree(dir string) error {
	mounts, err := mountsUnder(dir)
	if err != nil {
		return err
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		if err := syscall.Unmount(mounts[i], 0); err != nil {
			if err := syscall.Unmount(mounts[i], syscall.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", mounts[i], err)
			}
		}
	}
	if mounts, err = mountsUnder(dir); err != nil || len(mounts) > 0 {
		return errors.Join(err, fmt.Errorf("still mounted: %v", mounts))
	}
	return os.RemoveAll(dir)
}
