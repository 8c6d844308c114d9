package ssh

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// preamble makes every host alike: messages in English, and the directories of
// administration in the path, which a login without a shell profile lacks.
const preamble = "LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH"

// Quote makes s one word for sh. Backslashes stand outside of the single quotes,
// where sh and fish (which may be the login shell) read them alike.
func Quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, needsQuote) {
		return s
	}
	return "'" + strings.NewReplacer("'", `'\''`, `\`, `'\\'`).Replace(s) + "'"
}

func needsQuote(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+,", r))
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// compose is the whole script of a command. token marks its processes, so that
// they can be found and killed.
func compose(cmd Command, token string) (string, error) {
	var b strings.Builder
	b.WriteString(preamble)
	if token != "" {
		fmt.Fprintf(&b, "; export %s=%s", runVariable, token)
	}
	b.WriteByte('\n')
	names := make([]string, 0, len(cmd.Env))
	for name := range cmd.Env {
		if !envName.MatchString(name) {
			return "", fmt.Errorf("environment variable %q: not a name for a shell", name)
		}
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&b, "export %s=%s\n", name, Quote(cmd.Env[name]))
	}
	b.WriteString(cmd.Script)
	return b.String(), nil
}

// asRoot is the command line that runs script with root's rights.
func asRoot(script string, sudo bool) string {
	line := "sh -c " + Quote(script)
	if sudo {
		return "sudo -n " + line
	}
	return line
}

// runVariable is in the environment of everything that a command starts.
const runVariable = "STOWAGE_RUN"

func newToken() string { return rand.Text() }

// killScript kills every process that carries the token. The bracket keeps the
// script from finding itself. It goes around again for what was forked meanwhile.
func killScript(token string) string {
	return fmt.Sprintf(`for round in 1 2 3 4 5; do
  found=
  for f in $(grep -ls '%s=[%s]%s' /proc/[0-9]*/environ /proc/[0-9]*/cmdline); do
    p=${f#/proc/}
    kill -KILL "${p%%%%/*}" 2>/dev/null && found=1
  done
  [ "$found" ] || exit 0
done`, runVariable, token[:1], token[1:])
}
