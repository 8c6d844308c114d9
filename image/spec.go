package image

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Spec says how to build an image.
type Spec struct {
	Name    string // web or web["a"]: Ref is stowage.local/web@sha256:… or stowage.local/web-a@sha256:…
	BaseDir string // that relative paths are relative to
	// From is "" or "scratch", an OCI layout directory, a docker or OCI tarball (a
	// path that exists), or a registry reference.
	From       string
	Copies     []Copy // one layer each
	Entrypoint []string
	Command    []string
	Env        []string // NAME=value, added to the base's
	User       string
	WorkDir    string
	Labels     map[string]string
	// Platforms, e.g. linux/amd64; default linux on this machine's architecture. Several make an index.
	Platforms []string
	// CacheDir keeps layers by content; default: stowage/images in the user's cache directory.
	CacheDir string
}

// Copy puts a file, or what is in a directory, at To. Of a directory, what the
// patterns of its .stowageignore match is left out.
type Copy struct {
	Source string
	To     string // absolute; with a trailing slash a file keeps its name
	Owner  string // "uid" or "uid:gid", numbers; default 0:0
	// Mode of files, octal; directories get x where r is. Default: 0755 for
	// directories and what anybody may execute, else 0644, whatever the umask was.
	Mode string
	// Platform limits the copy to one platform; "" is all.
	Platform string
}

// platforms of the spec, checked.
func (s *Spec) platforms() ([]v1.Platform, error) {
	names := s.Platforms
	if len(names) == 0 {
		names = []string{"linux/" + runtime.GOARCH}
	}
	var out []v1.Platform
	seen := map[string]bool{}
	for _, n := range names {
		p, err := v1.ParsePlatform(n)
		if err != nil || p.OS == "" || p.Architecture == "" || p.OSVersion != "" {
			return nil, fmt.Errorf("platform %q: it has the form os/architecture, e.g. linux/amd64", n)
		}
		if name := platformName(p); seen[name] {
			return nil, fmt.Errorf("platform %q is named twice", n)
		} else {
			seen[name] = true
		}
		out = append(out, *p)
	}
	return out, nil
}

// owner of a copy's files.
func (c *Copy) owner() (uid, gid int, err error) {
	if c.Owner == "" {
		return 0, 0, nil
	}
	user, group, both := strings.Cut(c.Owner, ":")
	uid, err = strconv.Atoi(user)
	gid = uid
	if err == nil && both {
		gid, err = strconv.Atoi(group)
	}
	if err != nil || uid < 0 || gid < 0 {
		return 0, 0, fmt.Errorf("owner %q: it has the form uid or uid:gid, in numbers, e.g. 1000:1000", c.Owner)
	}
	return uid, gid, nil
}

// mode of a copy's files; set is false when there is none.
func (c *Copy) mode() (mode int64, set bool, err error) {
	if c.Mode == "" {
		return 0, false, nil
	}
	mode, err = strconv.ParseInt(c.Mode, 8, 32)
	if err != nil || mode < 0 || mode > 0o7777 {
		return 0, false, fmt.Errorf("mode %q: it is octal, e.g. 0644", c.Mode)
	}
	return mode, true, nil
}

// target is the cleaned path without the leading slash; "" is the root.
func (c *Copy) target() (string, error) {
	if !strings.HasPrefix(c.To, "/") {
		return "", fmt.Errorf("to = %q: it is an absolute path in the image", c.To)
	}
	return strings.TrimPrefix(path.Clean(c.To), "/"), nil
}

// localRef is the name of an image that was built here: web["a"] becomes stowage.local/web-a.
func localRef(name string) (string, error) {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '_' || r == '.' || r == '-' || r == '[':
			b.WriteByte('-')
		}
	}
	clean := strings.Trim(b.String(), "-")
	if clean == "" {
		return "", errors.New("an image needs a name with a letter or digit")
	}
	return "stowage.local/" + clean, nil
}
