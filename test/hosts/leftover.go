package hosts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// leftovers lists all that a lab has on the machine: of a lab that runs,
// something of each kind; of a lab that was removed, nothing. It looks at the
// machine itself, not at what this package remembers.
func leftovers(ctx context.Context, s slot) ([]string, error) {
	var left []string
	add := func(kind string, names []string, err error) error {
		for _, name := range names {
			left = append(left, kind+" "+name)
		}
		return err
	}
	all := s.prefix() + "-*"
	links, err := linksOf(s)
	if err := add("interface", links, err); err != nil {
		return nil, err
	}
	namespaces, err := namespacesOf(s)
	if err := add("network namespace", namespaces, err); err != nil {
		return nil, err
	}
	tables, err := tablesOf(ctx, s)
	if err := add("nft", tables, err); err != nil {
		return nil, err
	}
	cgroups, err := cgroupsOf(all)
	if err := add("cgroup", cgroups, err); err != nil {
		return nil, err
	}
	mounts, err := mountsUnder(s.dir())
	if err := add("mount", mounts, err); err != nil {
		return nil, err
	}
	loops, err := loopsOf(s)
	if err := add("loop device", loops, err); err != nil {
		return nil, err
	}
	if err := add("process", supervisorsOf(s), nil); err != nil {
		return nil, err
	}
	traces, err := filepath.Glob("/run/systemd/nspawn/*/" + all)
	if err := add("directory", traces, err); err != nil {
		return nil, err
	}
	if exists(s.dir()) {
		left = append(left, "directory "+s.dir())
	}
	return left, nil
}

// supervisorsOf finds the lab's nspawn processes by their command lines.
func supervisorsOf(s slot) []string {
	var found []string
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		line, _ := os.ReadFile(path)
		if strings.Contains(string(line), "\x00--machine="+s.prefix()+"-") {
			found = append(found, fmt.Sprintf("%s %s", filepath.Base(filepath.Dir(path)), strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	return found
}

// loopsOf finds the loop devices that have a disk of the lab.
func loopsOf(s slot) ([]string, error) {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		if backing, _ := os.ReadFile(file); strings.HasPrefix(string(backing), s.dir()+"/") {
			found = append(found, filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	return found, nil
}
