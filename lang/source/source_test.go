package source

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for source, want := range map[string]Address{
		"git::https://example.com/app.git":                     {URL: "https://example.com/app.git"},
		"git::https://example.com/app.git?ref=v1":              {URL: "https://example.com/app.git", Ref: "v1"},
		"git::https://example.com/app.git//modules/web?ref=v1": {URL: "https://example.com/app.git", Dir: "modules/web", Ref: "v1"},
		"git::ssh://git@example.com:2222/app.git//x":           {URL: "ssh://git@example.com:2222/app.git", Dir: "x"},
		"git::file:///srv/app//x?ref=feature/a":                {URL: "file:///srv/app", Dir: "x", Ref: "feature/a"},
		"git@example.com:team/app.git//x/y?ref=main":           {URL: "git@example.com:team/app.git", Dir: "x/y", Ref: "main"},
		"git::git@example.com:team/app.git":                    {URL: "git@example.com:team/app.git"},
		"github.com/team/app//x?ref=0123456":                   {URL: "https://github.com/team/app", Dir: "x", Ref: "0123456"},
		"github.com/team/app/x":                                {URL: "https://github.com/team/app", Dir: "x"},
	} {
		if got, err := Parse(source); err != nil || got != want {
			t.Errorf("%s: %+v, %v", source, got, err)
		}
	}
	for source, want := range map[string]string{
		"hashicorp/consul/aws":                          "no registry of modules",
		"https://example.com/app.zip":                   "neither a directory",
		"git::ext::sh -c touch%20x":                     `the scheme "ext"`,
		"git::ext://sh":                                 `the scheme "ext"`,
		"git::--upload-pack=touch":                      "no address that git takes",
		"git::https://user:secret@example.com/app":      "holds a password",
		"git::https://example.com/app?depth=1":          `the parameter "depth"`,
		"git::https://example.com/app?ref=--upload":     "no name of a branch",
		"git::https://example.com/app?ref=a..b":         "no name of a branch",
		"git::https://example.com/app//../../etc?ref=a": "not one within the repository",
		"git::https://example.com/app//a/../b":          "not one within the repository",
		"github.com/team":                               "names no repository",
	} {
		_, err := Parse(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is told: %v", err)
		}
	}
}

// FuzzParse: whatever is written, an accepted address has no option for git in it
// and no directory that leads out.
func FuzzParse(f *testing.F) {
	f.Add("git::https://example.com/app.git//modules/web?ref=v1")
	f.Add("git@example.com:app//..?ref=-x")
	f.Add("github.com/a/b//c?ref=d&ref=e")
	f.Fuzz(func(t *testing.T, source string) {
		a, err := Parse(source)
		if err != nil {
			return
		}
		if strings.HasPrefix(a.URL, "-") || strings.HasPrefix(a.Ref, "-") || strings.Contains(a.Dir, "..") && strings.Contains("/"+a.Dir+"/", "/../") {
			t.Errorf("%q is taken as %+v", source, a)
		}
		if strings.ContainsAny(a.folder(strings.Repeat("0", 40)), "/\\. ") {
			t.Errorf("%q is in the folder %q", source, a.folder(strings.Repeat("0", 40)))
		}
	})
}

func TestLockFile(t *testing.T) {
	all := map[string]Locked{
		"https://example.com/b?ref=v1": {Commit: strings.Repeat("a", 40), Digest: "h1:x"},
		"https://example.com/${a}":     {Commit: strings.Repeat("b", 64), Digest: "h1:y"},
	}
	text := formatLock(all)
	got, err := parseLock(text, "l")
	if err != nil || len(got) != 2 || got["https://example.com/${a}"] != all["https://example.com/${a}"] || string(formatLock(got)) != string(text) {
		t.Errorf("%v, %v\n%s", got, err, text)
	}
	for text, want := range map[string]string{
		"<<<<<<< HEAD\n":                     "l:1: it cannot be read",
		"module \"a\" {}":                    "commit and digest are needed",
		"module \"a\" {\n commit = \"x\"\n}": "commit and digest are needed",
		"a = 1":                              "unexpected argument a",
		"block {}":                           "unexpected block",
		"module \"a\" {\n commit = 1\n}":     "commit is no text",
		string(formatLock(all)) + string(formatLock(all)): "a second block for",
	} {
		if _, err := parseLock([]byte(text), "l"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzLock: no lock file makes reading it fail otherwise than by saying so, and what
// is read is written so that it is read again.
func FuzzLock(f *testing.F) {
	f.Add(string(formatLock(map[string]Locked{"a": {Commit: strings.Repeat("a", 40), Digest: "h1:x"}})))
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseLock([]byte(text), "l")
		if err != nil {
			return
		}
		if _, err := parseLock(formatLock(all), "l"); err != nil {
			t.Error(err)
		}
	})
}

func TestStaysWithin(t *testing.T) {
	for link, want := range map[[2]string]bool{
		{"a", "b"}:              true,
		{"a", "b/c"}:            true,
		{"d/a", "../b"}:         true,
		{"d/e/a", "../../b"}:    true,
		{"d/a", "./../b/./c"}:   true,
		{"a", "../b"}:           false,
		{"d/a", "../../b"}:      false,
		{"d/a", "b/../../../c"}: false,
		{"a", "b/../c"}:         false, // b may be a link itself
		{"a", "/etc/passwd"}:    false,
		{"a", ""}:               false,
	} {
		if got := staysWithin(link[0], link[1]); got != want {
			t.Errorf("%s → %s: %v", link[0], link[1], got)
		}
	}
}
