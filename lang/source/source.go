// Package source brings modules from git repositories beside a configuration:
// into .stowage/modules, each at the commit that the lock file records, with a
// digest of its files that is checked whenever they are used. Only Install asks a
// network; what is installed works without one.
package source

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Address is a parsed source of a module.
type Address struct {
	URL string // as git takes it
	Ref string // branch, tag or commit; "" for the repository's HEAD
	Dir string // of the module within the repository, with slashes; "" for its root
}

var (
	scpLike  = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^:]`)
	refLike  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/@+-]*$`)
	schemes  = []string{"https", "http", "ssh", "file", "git"}
	nameLike = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
)

const example = "git::https://example.com/app.git//modules/web?ref=v1.2.0"

// Parse reads a source as Terraform writes it: git::URL, with //DIR for a
// directory within the repository and ?ref=NAME for a branch, tag or commit. The
// prefix git:: may be left out before USER@HOST:PATH and github.com/OWNER/NAME.
func Parse(source string) (Address, error) {
	text, isGit := strings.CutPrefix(source, "git::")
	switch {
	case isGit:
	case strings.HasPrefix(text, "github.com/"):
		text = "https://" + text
	case scpLike.MatchString(text):
	default:
		return Address{}, fmt.Errorf("the source %q is neither a directory, which begins with ./ or ../, nor a git repository, such as %q. There is no registry of modules", source, example)
	}
	text, query, _ := strings.Cut(text, "?")
	var a Address
	head := 0
	if i := strings.Index(text, "://"); i >= 0 {
		head = i + len("://")
	}
	if i := strings.Index(text[head:], "//"); i >= 0 {
		text, a.Dir = text[:head+i], strings.Trim(text[head+i+2:], "/")
	}
	a.URL = text
	if strings.HasPrefix(source, "github.com/") {
		parts := strings.Split(text, "/") // https: "" github.com OWNER NAME …
		if len(parts) < 5 {
			return Address{}, fmt.Errorf("the source %q names no repository: write github.com/OWNER/NAME", source)
		}
		a.URL = strings.Join(parts[:5], "/")
		a.Dir = path.Join(strings.Join(parts[5:], "/"), a.Dir)
	}
	if err := a.checkURL(source); err != nil {
		return Address{}, err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Address{}, fmt.Errorf("what follows the question mark of the source %q cannot be read: it is ref=NAME", source)
	}
	for name, all := range values {
		if name != "ref" || len(all) != 1 {
			return Address{}, fmt.Errorf("the source %q has the parameter %q: only one ref=NAME is possible, for a branch, tag or commit", source, name)
		}
		a.Ref = all[0]
		if !refLike.MatchString(a.Ref) || strings.Contains(a.Ref, "..") {
			return Address{}, fmt.Errorf("the source %q has ref=%s, which is no name of a branch, tag or commit", source, a.Ref)
		}
	}
	if a.Dir != "" && (!filepath.IsLocal(filepath.FromSlash(a.Dir)) || path.Clean(a.Dir) != a.Dir || strings.ContainsAny(a.Dir, "\\\x00")) {
		return Address{}, fmt.Errorf("the source %q has the directory %q, which is not one within the repository", source, a.Dir)
	}
	return a, nil
}

func (a Address) checkURL(source string) error {
	if scpLike.MatchString(a.URL) && !strings.Contains(a.URL, "://") {
		return nil
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme == "" {
		return fmt.Errorf("the source %q has no address that git takes: write it like %q or git::git@example.com:app.git", source, example)
	}
	for _, s := range schemes {
		if u.Scheme != s {
			continue
		}
		if _, secret := u.User.Password(); secret {
			return fmt.Errorf("the source of a module holds a password, and everybody who reads the configuration or its lock file would have it. Leave it out, and let git find it: with a credential helper, or an ssh key")
		}
		return nil
	}
	return fmt.Errorf("the source %q has the scheme %q: modules come by https, ssh, http, git or file", source, u.Scheme)
}

// Lock is how the lock file names the source: without the directory, since all of
// a repository is at one commit.
func (a Address) Lock() string {
	if a.Ref == "" {
		return a.URL
	}
	return a.URL + "?ref=" + a.Ref
}

// folder is the name of the directory of a commit: the repository's name is for people.
func (a Address) folder(commit string) string {
	name := strings.TrimSuffix(path.Base(strings.ReplaceAll(a.URL, ":", "/")), ".git")
	name = strings.Trim(nameLike.ReplaceAllString(name, "-"), "-")
	if name == "" {
		name = "module"
	}
	return name + "-" + commit[:min(len(commit), 12)]
}
