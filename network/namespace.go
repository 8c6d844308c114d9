package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// pinNamespaces makes the pod's network and IPC namespaces and keeps each alive
// by a bind mount, so that they need no process. Pinned ones are kept.
func pinNamespaces(p Pod) error {
	if pinned(p.Net) && pinned(p.IPC) {
		return nil
	}
	dir := filepath.Dir(p.Net)
	if err := unpinNamespaces(dir); err != nil { // half-made, or files left by a reboot
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, path := range []string{p.Net, p.IPC} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
	}
	done := make(chan error)
	go func() { done <- unshareAndPin(p) }()
	return <-done
}

// unshareAndPin makes the namespaces on its thread, pins them and returns the
// thread to where it was. It needs a goroutine of its own: if the way back
// fails, the thread stays locked and ends with the goroutine.
func unshareAndPin(p Pod) (err error) {
	runtime.LockOSThread()
	back, err := openNamespaces("net", "ipc")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if rerr := back.enter(); rerr != nil {
			err = errors.Join(err, rerr)
			return
		}
		runtime.UnlockOSThread()
	}()
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	// Processes without privileges may listen on any port and ping: the
	// namespace is the pod's own.
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
		"/proc/sys/net/ipv4/ping_group_range":           "0 2147483647",
	} {
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for kind, path := range map[string]string{"net": p.Net, "ipc": p.IPC} {
		if err := unix.Mount("/proc/thread-self/ns/"+kind, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pin %s: %w", path, err)
		}
	}
	return nil
}

// namespaces are open namespaces to return to.
type namespaces []*os.File

func openNamespaces(kinds ...string) (namespaces, error) {
	var ns namespaces
	for _, k := range kinds {
		f, err := os.Open("/proc/thread-self/ns/" + k)
		if err != nil {
			ns.close()
			return nil, err
		}
		ns = append(ns, f)
	}
	return ns, nil
}

// enter joins the namespaces with the calling thread and closes them.
func (ns namespaces) enter() error {
	defer ns.close()
	for _, f := range ns {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return fmt.Errorf("return to the host's namespaces: %w", err)
		}
	}
	return nil
}

func (ns namespaces) close() {
	for _, f := range ns {
		_ = f.Close()
	}
}

// unpinNamespaces unmounts and removes the files below dir.
func unpinNamespaces(dir string) error {
	var errs []error
	for _, kind := range []string{"net", "ipc"} {
		path := filepath.Join(dir, kind)
		for pinned(path) { // mounted more than once after a crash in between
			if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
				errs = append(errs, fmt.Errorf("unmount %s: %w", path, err))
				break
			}
		}
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

func pinned(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Type == unix.NSFS_MAGIC
}
