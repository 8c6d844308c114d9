package ocispec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// User resolves the container's user ("uid", "uid:gid", "name", "name:group" or
// "", the image's) by the image's own /etc/passwd and /etc/group, with its
// supplementary groups and home directory.
func User(c api.Container, img runtime.Image) (specs.User, string, error) {
	who := c.User
	if who == "" {
		who = img.Config.User
	}
	if who == "" {
		who = "0"
	}
	name, group, hasGroup := strings.Cut(who, ":")
	u, known, err := findUser(name, img.Passwd)
	if err != nil {
		return specs.User{}, "", err
	}
	out := specs.User{UID: u.uid, GID: u.gid}
	if hasGroup {
		if out.GID, err = findGroup(group, img.Group); err != nil {
			return specs.User{}, "", err
		}
	} else if known { // an explicit group replaces the supplementary ones, as in Docker
		out.AdditionalGids = groupsOf(u.name, u.gid, img.Group)
	}
	return out, u.home, nil
}

type passwdEntry struct {
	name     string
	uid, gid uint32
	home     string
}

func findUser(name string, passwd []byte) (passwdEntry, bool, error) {
	id, numeric := parseID(name)
	for f := range records(passwd) {
		if len(f) < 6 {
			continue
		}
		uid, ok1 := parseID(f[2])
		gid, ok2 := parseID(f[3])
		if !ok1 || !ok2 || !(f[0] == name || numeric && uid == id) {
			continue
		}
		home := f[5]
		if home == "" {
			home = "/"
		}
		return passwdEntry{f[0], uid, gid, home}, true, nil
	}
	if numeric {
		home := "/"
		if id == 0 {
			home = "/root"
		}
		return passwdEntry{uid: id, home: home}, false, nil
	}
	return passwdEntry{}, false, fmt.Errorf("user %q is not in the image's /etc/passwd: add it there or give a number", name)
}

func findGroup(name string, group []byte) (uint32, error) {
	if id, numeric := parseID(name); numeric {
		return id, nil
	}
	for f := range records(group) {
		if len(f) >= 3 && f[0] == name {
			if gid, ok := parseID(f[2]); ok {
				return gid, nil
			}
		}
	}
	return 0, fmt.Errorf("group %q is not in the image's /etc/group: add it there or give a number", name)
}

func groupsOf(user string, primary uint32, group []byte) []uint32 {
	var gids []uint32
	for f := range records(group) {
		if len(f) < 4 || !slices.Contains(strings.Split(f[3], ","), user) {
			continue
		}
		if gid, ok := parseID(f[2]); ok && gid != primary {
			gids = append(gids, gid)
		}
	}
	return gids
}

// records yields the colon-separated fields of each line.
func records(file []byte) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range bytes.Lines(file) {
			text := strings.TrimSpace(string(line))
			if text == "" || text[0] == '#' {
				continue
			}
			if !yield(strings.Split(text, ":")) {
				return
			}
		}
	}
}
