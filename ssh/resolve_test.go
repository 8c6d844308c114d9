package ssh

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the node block does not say comes from ~/.ssh/config, then from defaults.
func TestResolve(t *testing.T) {
	u := newPerson(t)
	home := func(name string) string { return filepath.Join(u.home, ".ssh", name) }
	u.write("config", `
# a comment
Match exec "test -e /vpn" host *
  HostName never.example.com
Host web
  HostName 10.0.0.11
  User deploy
  Port 2222
  IdentityFile ~/.ssh/web_%r
  IdentitiesOnly yes
  UserKnownHostsFile "~/.ssh/hosts"
  ProxyJump ops@bastion:2200,inner
Host inner
  HostName inner.example.com
Host loop
  ProxyJump loop2
Host loop2
  ProxyJump loop
Host aws
  ProxyCommand aws ssm start-session
Host odd
  Port ssh
Host *
  User admin
`)
	for _, c := range []struct {
		name   string
		config Config
		want   map[string]any
		err    string
	}{
		{name: "an alias", config: Config{Address: "web"}, want: map[string]any{
			"hop": "deploy@10.0.0.11:2222", "identities": []string{home("web_deploy")}, "only": true,
			"known": []string{home("hosts"), "/etc/ssh/ssh_known_hosts"},
			"jumps": []string{"ops@bastion:2200", "admin@inner.example.com:22"},
		}},
		{name: "the node block wins", config: Config{
			Address: "web", User: "root", Port: 22, PrivateKey: "~/.ssh/other", KnownHosts: "/kh", Jump: "none",
		}, want: map[string]any{
			"hop": "root@10.0.0.11:22", "identities": []string{home("other")}, "only": true,
			"known": []string{"/kh"}, "jumps": []string(nil),
		}},
		{name: "defaults", config: Config{Address: "db", Jump: "root@[fe80::1]:23"}, want: map[string]any{
			"hop": "admin@db:22", "identities": []string{home("id_ed25519"), home("id_ecdsa"), home("id_rsa")}, "only": false,
			"known": []string{home("known_hosts"), "/etc/ssh/ssh_known_hosts"}, "jumps": []string{"root@[fe80::1]:23"},
		}},
		{name: "a jump host that jumps", config: Config{Address: "db", Jump: "web"}, want: map[string]any{
			"hop": "admin@db:22", "identities": []string{home("id_ed25519"), home("id_ecdsa"), home("id_rsa")}, "only": false,
			"known": []string{home("known_hosts"), "/etc/ssh/ssh_known_hosts"},
			"jumps": []string{"ops@bastion:2200", "admin@inner.example.com:22", "deploy@10.0.0.11:2222"},
		}},
		{name: "no address", config: Config{}, err: "no address"},
		{name: "a circle", config: Config{Address: "loop"}, err: "circle"},
		{name: "a command", config: Config{Address: "aws"}, err: "ProxyCommand"},
		{name: "a port that is none", config: Config{Address: "odd"}, err: `Port "ssh"`},
		{name: "a jump host's port that is none", config: Config{Address: "db", Jump: "a:b"}, err: `"b" is not a port number`},
		{name: "a jump host without a name", config: Config{Address: "db", Jump: "root@"}, err: "no host name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Name = "node"
			h, err := resolve(c.config, u.options().withDefaults())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "node: ") {
					t.Fatalf("error %v, want one about %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var jumps []string
			for _, j := range h.jumps {
				jumps = append(jumps, j.String())
			}
			got := map[string]any{"hop": h.String(), "identities": h.identities, "only": h.identitiesOnly, "known": h.knownHosts, "jumps": jumps}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
