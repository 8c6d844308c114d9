package bootstrap

import (
	"slices"
	"strings"
)

// tool is a package manager: the command lines that make it do what we need
// without asking anyone, and how to read what it says. Commands are shell words;
// package names are appended.
type tool struct {
	name string
	// choices are the packages that bring containerd and runc, the first that exists counts.
	choices [][]string
	// simulate says what install would do; simulateRemove what remove would.
	simulate, install, simulateRemove, remove string
	// simulateFails: a simulation ends with a status other than 0 although it worked.
	simulateFails bool
	refresh       string // fetch the lists of packages
	repair        string // finish an interrupted installation; "" where that is not known
	// added and removed read the package names from a simulation.
	added, removed func(output string) []string
	// locked, unknown and interrupted are parts of messages.
	locked, unknown, interrupted []string
}

var tools = []*tool{&apt, &dnf, &apk}

func toolNamed(name string) *tool {
	for _, t := range tools {
		if t.name == name {
			return t
		}
	}
	return nil
}

// apt: needrestart would restart other services; packages are not kept in the cache.
var apt = tool{
	name:           "apt",
	choices:        [][]string{{"containerd", "runc"}},
	simulate:       "apt-get -s -y --no-install-recommends install",
	install:        "DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -y -q --no-install-recommends -o Dpkg::Options::=--force-confold -o APT::Keep-Downloaded-Packages=false install",
	simulateRemove: "apt-get -s -y purge",
	remove:         "DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -y -q purge",
	refresh:        "apt-get -q update",
	repair:         "DEBIAN_FRONTEND=noninteractive dpkg --configure -a --force-confold",
	added:          func(out string) []string { return aptNames(out, "Inst ", true) },
	removed: func(out string) []string {
		return append(aptNames(out, "Purg ", false), aptNames(out, "Remv ", false)...)
	},
	locked:      []string{"Could not get lock", "Unable to acquire the dpkg frontend lock", "Unable to lock directory", "is another process using it"},
	unknown:     []string{"Unable to locate package", "has no installation candidate", "404 ", "Failed to fetch"},
	interrupted: []string{"dpkg was interrupted"},
}

// aptNames reads lines like "Inst runc (1.1.5 Debian:12/stable [amd64])"; an
// upgrade has the old version in brackets before the parenthesis.
func aptNames(out, prefix string, onlyNew bool) []string {
	var names []string
	for line := range strings.Lines(out) {
		rest, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) == 0 || onlyNew && len(f) > 1 && strings.HasPrefix(f[1], "[") {
			continue
		}
		name, _, _ := strings.Cut(f[0], ":") // containerd:arm64
		names = append(names, name)
	}
	return names
}

// dnf: RHEL and its kin have containerd only as containerd.io, in Docker's repository.
var dnf = tool{
	name:           "dnf",
	choices:        [][]string{{"containerd", "runc"}, {"containerd.io"}},
	simulate:       "dnf --assumeno --setopt=install_weak_deps=False install",
	install:        "dnf -y --setopt=install_weak_deps=False install",
	simulateRemove: "dnf --assumeno --setopt=clean_requirements_on_remove=False remove",
	remove:         "dnf -y --setopt=clean_requirements_on_remove=False remove",
	simulateFails:  true,
	refresh:        "dnf -y makecache",
	added:          func(out string) []string { return dnfNames(out, "Installing") },
	removed:        func(out string) []string { return dnfNames(out, "Removing") },
	locked:         []string{"Failed to obtain the transaction lock", "already running"},
	unknown:        []string{"No match for argument", "Unable to find a match", "Failed to resolve the transaction"},
}

// dnfNames reads the rows of the transaction table under headings such as
// "Installing:" and "Installing dependencies:".
func dnfNames(out, heading string) []string {
	var names []string
	inside := false
	for line := range strings.Lines(out) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasSuffix(trimmed, ":") && !strings.HasPrefix(line, " "):
			inside = strings.HasPrefix(trimmed, heading)
		case trimmed == "":
			inside = false
		case inside && strings.HasPrefix(line, " "):
			if f := strings.Fields(trimmed); len(f) >= 4 {
				names = append(names, f[0])
			}
		}
	}
	return names
}

var apk = tool{
	name:           "apk",
	choices:        [][]string{{"containerd", "runc"}},
	simulate:       "apk add --simulate",
	install:        "apk add",
	simulateRemove: "apk del --simulate",
	remove:         "apk del",
	refresh:        "apk update",
	added:          func(out string) []string { return apkNames(out, "Installing") },
	removed:        func(out string) []string { return apkNames(out, "Purging") },
	locked:         []string{"Unable to lock database"},
	unknown:        []string{"no such package", "unable to select packages"},
}

// apkNames reads lines like "(2/5) Installing runc (1.1.12-r1)".
func apkNames(out, verb string) []string {
	var names []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) >= 3 && strings.HasPrefix(f[0], "(") && f[1] == verb {
			names = append(names, f[2])
		}
	}
	return names
}

func mentions(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}
