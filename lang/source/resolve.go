package source

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/stowage-iac/stowage/lang"
)

var hexLike = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// resolve finds the commit that the address names now. "" means that only the whole
// repository can tell: a part of a commit's name.
func resolve(ctx context.Context, a Address) (string, error) {
	if commitLike.MatchString(a.Ref) {
		return a.Ref, nil
	}
	out, err := git{url: a.URL}.run(ctx, "ls-remote", "--", a.URL)
	if err != nil {
		return "", err
	}
	refs := map[string]string{}
	var names []string
	for line := range strings.Lines(string(out)) {
		commit, name, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || !commitLike.MatchString(commit) {
			continue
		}
		refs[name] = commit
		for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
			if short, ok := strings.CutPrefix(name, prefix); ok && !strings.HasSuffix(short, "^{}") {
				names = append(names, short)
			}
		}
	}
	if a.Ref == "" {
		if refs["HEAD"] == "" {
			return "", fmt.Errorf("the repository %s has no commit yet, or no default branch: name one with ?ref=NAME", a.URL)
		}
		return refs["HEAD"], nil
	}
	for _, name := range []string{"refs/tags/" + a.Ref + "^{}", "refs/tags/" + a.Ref, "refs/heads/" + a.Ref, a.Ref} {
		if commit := refs[name]; commit != "" {
			return commit, nil
		}
	}
	if hexLike.MatchString(a.Ref) {
		return "", nil
	}
	hint := ""
	if s := lang.Suggest(a.Ref, names); s != "" {
		hint = fmt.Sprintf(" Did you mean %q?", s)
	}
	return "", fmt.Errorf("the repository %s has no branch or tag %q.%s", a.URL, a.Ref, hint)
}
