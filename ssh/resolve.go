package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// hop is one server to log in to: all that Config and ~/.ssh/config say about it, resolved.
type hop struct {
	node           string // the node's name, for messages
	host           string // name or IP to connect to
	port           int
	user           string
	keyName        string   // name in known_hosts, usually host
	key            Key      // to be used and no other
	identities     []string // private key files, in order of preference
	explicit       bool     // identities were asked for, not guessed
	identitiesOnly bool     // no other key of the agent
	agentSocket    string
	hostKey        string   // pinned key
	knownHosts     []string // files, the first one is written to
	acceptNew      bool
	jumps          []hop // to go through first, in order
}

func (h hop) address() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port)) }

// keyAddress is the address under which the host's key is known.
func (h hop) keyAddress() string { return net.JoinHostPort(h.keyName, strconv.Itoa(h.port)) }

// String is user@host:port, for messages.
func (h hop) String() string { return h.user + "@" + h.address() }

// resolve completes c from the user's and the system's ssh_config.
func resolve(c Config, o Options) (hop, error) {
	files, err := loadConfigs(o)
	if err != nil {
		return hop{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	r := resolver{config: c, options: o, files: files}
	h, err := r.hop(c.Address, c.User, c.Port)
	if err != nil {
		return hop{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	h.hostKey = c.HostKey
	if c.PrivateKey != "" {
		h.identities, h.explicit, h.identitiesOnly = []string{expandHome(c.PrivateKey, o.Home)}, true, true
	}
	if h.key = c.Key; h.key != "" {
		h.identities, h.explicit, h.identitiesOnly = nil, true, true
	}
	if h.jumps, err = r.jumps(c); err != nil {
		return hop{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	return h, nil
}

type resolver struct {
	config  Config
	options Options
	files   []*ssh_config.Config
}

// get is the first value of key for alias, "" when it is set nowhere.
func (r resolver) get(alias, key string) string {
	for _, f := range r.files {
		if v, err := f.Get(alias, key); err == nil && v != "" {
			return unquote(v)
		}
	}
	return ""
}

func (r resolver) getAll(alias, key string) []string {
	var all []string
	for _, f := range r.files {
		values, err := f.GetAll(alias, key)
		if err != nil {
			continue
		}
		for _, v := range values {
			all = append(all, unquote(v))
		}
	}
	return all
}

func (r resolver) hop(alias, login string, port int) (hop, error) {
	if alias == "" {
		return hop{}, errors.New("no address: set address in the node block, or connection = \"local\"")
	}
	h := hop{node: r.config.Name, host: alias, port: port, user: login, acceptNew: r.config.AcceptNew}
	if v := r.get(alias, "HostName"); v != "" {
		h.host = strings.NewReplacer("%%", "%", "%h", alias).Replace(v)
	}
	if h.port == 0 {
		h.port = 22
		if v := r.get(alias, "Port"); v != "" {
			p, err := strconv.Atoi(v)
			if err != nil || p < 1 || p > 65535 {
				return hop{}, fmt.Errorf("~/.ssh/config: Port %q of host %s is not a port number", v, alias)
			}
			h.port = p
		}
	}
	if h.user == "" {
		h.user = r.get(alias, "User")
	}
	if h.user == "" {
		h.user = currentUser()
	}
	h.keyName = h.host
	if v := r.get(alias, "HostKeyAlias"); v != "" {
		h.keyName = v
	}
	r.keys(alias, &h)
	r.knownHosts(alias, &h)
	return h, nil
}

func (r resolver) keys(alias string, h *hop) {
	h.agentSocket = r.options.AgentSocket
	switch v := r.get(alias, "IdentityAgent"); {
	case v == "none":
		h.agentSocket = ""
	case v == "" || v == "SSH_AUTH_SOCK":
	default:
		h.agentSocket = r.expand(v, *h)
	}
	h.identitiesOnly = strings.EqualFold(r.get(alias, "IdentitiesOnly"), "yes")
	for _, v := range r.getAll(alias, "IdentityFile") {
		if !strings.EqualFold(v, "none") {
			h.identities = append(h.identities, r.expand(v, *h))
		}
	}
	h.explicit = len(h.identities) > 0
	if !h.explicit {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			h.identities = append(h.identities, r.options.dotSSH(name))
		}
	}
}

func (r resolver) knownHosts(alias string, h *hop) {
	if r.config.KnownHosts != "" {
		h.knownHosts = []string{expandHome(r.config.KnownHosts, r.options.Home)}
		return
	}
	for _, v := range strings.Fields(r.get(alias, "UserKnownHostsFile")) {
		h.knownHosts = append(h.knownHosts, r.expand(v, *h))
	}
	if len(h.knownHosts) == 0 {
		h.knownHosts = []string{r.options.dotSSH("known_hosts")}
	}
	h.knownHosts = append(h.knownHosts, "/etc/ssh/ssh_known_hosts")
}

// jumps resolves the chain of jump hosts. As in OpenSSH, a jump host's own
// ProxyJump counts only for the first of the chain.
func (r resolver) jumps(c Config) ([]hop, error) {
	spec := c.Jump
	if spec == "" {
		spec = r.get(c.Address, "ProxyJump")
		if spec == "" && !strings.EqualFold(r.get(c.Address, "ProxyCommand"), "none") && r.get(c.Address, "ProxyCommand") != "" {
			return nil, fmt.Errorf("~/.ssh/config sets ProxyCommand for %s, which Stowage does not run: use ProxyJump there, or jump in the node's ssh block", c.Address)
		}
	}
	return r.chain(spec, 0)
}

func (r resolver) chain(spec string, depth int) ([]hop, error) {
	if spec == "" || strings.EqualFold(spec, "none") {
		return nil, nil
	}
	if depth > 8 {
		return nil, fmt.Errorf("jump hosts lead in a circle at %s: check ProxyJump in ~/.ssh/config", spec)
	}
	var hops []hop
	for i, part := range strings.Split(spec, ",") {
		login, host, port, err := parseJump(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if hops, err = r.chain(r.get(host, "ProxyJump"), depth+1); err != nil {
				return nil, err
			}
		}
		h, err := r.hop(host, login, port)
		if err != nil {
			return nil, err
		}
		hops = append(hops, h)
	}
	return hops, nil
}

// parseJump parses [user@]host[:port] or ssh://[user@]host[:port].
func parseJump(s string) (login, host string, port int, err error) {
	rest := strings.TrimPrefix(s, "ssh://")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		login, rest = rest[:i], rest[i+1:]
	}
	host = rest
	if h, p, e := net.SplitHostPort(rest); e == nil {
		host = h
		if port, e = strconv.Atoi(p); e != nil || port < 1 || port > 65535 {
			return "", "", 0, fmt.Errorf("jump host %q: %q is not a port number", s, p)
		}
	}
	host = strings.Trim(host, "[]")
	if host == "" {
		return "", "", 0, fmt.Errorf("jump host %q has no host name: write [user@]host[:port]", s)
	}
	return login, host, port, nil
}

func (r resolver) expand(s string, h hop) string {
	return strings.NewReplacer("%%", "%", "%d", r.options.Home, "%h", h.host, "%r", h.user,
		"%u", currentUser(), "%p", strconv.Itoa(h.port)).Replace(expandHome(s, r.options.Home))
}

func expandHome(path, home string) string {
	if path == "~" {
		return home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

func loadConfigs(o Options) ([]*ssh_config.Config, error) {
	var files []*ssh_config.Config
	for _, path := range []string{o.dotSSH("config"), "/etc/ssh/ssh_config"} {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f, err := ssh_config.DecodeBytes(neutralizeMatch(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, f)
	}
	return files, nil
}

var matchLine = regexp.MustCompile(`(?im)^[ \t]*match[ \t=]+(.*)$`)

// neutralizeMatch makes Match blocks other than "all" and "host" apply to no
// host: the parser refuses them, and one such block must not make every host
// unreachable.
func neutralizeMatch(b []byte) []byte {
	return matchLine.ReplaceAllFunc(b, func(line []byte) []byte {
		condition := strings.Fields(string(matchLine.FindSubmatch(line)[1]))
		if len(condition) == 1 && strings.EqualFold(condition[0], "all") ||
			len(condition) == 2 && strings.EqualFold(condition[0], "host") {
			return line
		}
		return []byte("Host match-block-not-evaluated.invalid")
	})
}
