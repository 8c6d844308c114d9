package image

import (
	"io/fs"
	"syscall"
	"time"
)

func statOf(info fs.FileInfo) (stat, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stat{}, false
	}
	return stat{changed: time.Unix(s.Ctim.Unix()), inode: s.Ino, device: uint64(s.Dev)}, true
}
