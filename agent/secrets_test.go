package agent

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/api"
)

func (n *node) seal(bundle api.SealedBundle, to ...age.Recipient) []byte {
	n.t.Helper()
	if len(to) == 0 {
		to = []age.Recipient{n.key.Recipient()}
	}
	plain, err := json.Marshal(bundle)
	if err != nil {
		n.t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		n.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		n.t.Fatal(err)
	}
	return out.Bytes()
}

func TestSecretsReachOnlyTheContainersUser(t *testing.T) {
	n := startNode(t)
	const password = "correct-horse-battery-staple-7391"
	pod := n.pod(`
echo "env $TOKEN $MODE $FROM_IMAGE $HOME $(id -u)"
echo "file $(cat /run/secrets/db/password)"
ls -ln /run/secrets/db/password /run/single
echo "single $(cat /run/single)"
sleep 1000000`, func(c *api.Container) {
		c.User = "app"
		c.Env = []api.EnvVar{{Name: "MODE", Value: "prod"}, {Name: "TOKEN", Sealed: "token"}}
		c.Mounts = []api.Mount{
			{Path: "/run/secrets/db", Sealed: map[string]string{"password": "db"}},
			{Path: "/run/single", Sealed: map[string]string{"": "db"}, Mode: 0o440},
		}
	})
	key := n.assign("web", 0, pod, n.seal(api.SealedBundle{"token": []byte(password + "-t"), "db": []byte(password)})...)
	st := n.phase(t, key, api.PhaseRunning)
	n.hasOutput("web-0", "single "+password)
	out := n.output("web-0")
	for _, want := range []string{"env " + password + "-t prod yes /home/app 1000", "file " + password,
		"-r--------    1 1000     1000", "-r--r-----    1 1000     1000"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// Another user of the container, and of the host, sees nothing.
	if b, err := os.ReadFile(filepath.Join("/proc", "self", "mountinfo")); err != nil || !strings.Contains(string(b), n.o.RunDir+"/secrets") {
		t.Errorf("the secrets are not on a mount of their own: %v", err)
	}
	if s, err := os.Stat(filepath.Join(n.o.RunDir, "secrets")); err != nil || s.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", s.Mode(), err)
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", itoa(st.Containers[0].PID), "cmdline"))
	if err != nil || bytes.Contains(cmdline, []byte(password)) {
		t.Errorf("command line %q, %v", cmdline, err)
	}
	// The log is the container's own doing; nothing else on a disk has the value.
	if err := os.RemoveAll(filepath.Join(n.o.DataDir, "logs")); err != nil {
		t.Fatal(err)
	}
	if found := search(t, password, n.d.Dir(), n.o.DataDir, n.o.RunDir); len(found) > 0 {
		t.Errorf("the secret is on disk: %v", found)
	}
	n.withdraw(key)
	n.goneFor(t, key)
	if left, _ := filepath.Glob(filepath.Join(n.o.RunDir, "secrets", "*")); len(left) > 0 {
		t.Errorf("secrets of a pod that is gone: %v", left)
	}
}

// search returns the files below dirs that contain text, the tmpfs of secrets excepted.
func search(t *testing.T, text string, dirs ...string) (found []string) {
	files := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it went while we looked
			}
			if d.IsDir() && d.Name() == "secrets" {
				return fs.SkipDir
			}
			if !d.Type().IsRegular() {
				return nil
			}
			files++
			if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(text)) {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 10 {
		t.Fatalf("looked into %d files only", files)
	}
	return found
}

func TestSecretsForAnotherNode(t *testing.T) {
	n := startNode(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	pod := n.pod("sleep 1000000", func(c *api.Container) { c.Env = []api.EnvVar{{Name: "TOKEN", Sealed: "token"}} })
	key := n.assign("web", 0, pod, n.seal(api.SealedBundle{"token": []byte("x")}, other.Recipient())...)
	st := n.reason(t, key, "SecretUnsealFailed")
	if st.Phase != api.PhasePending || !strings.Contains(st.Message, "not sealed for this node: apply again") {
		t.Errorf("got %+v", st)
	}
	// The next apply seals them for this node too: same revision, no restart of anything.
	n.assign("web", 0, pod, n.seal(api.SealedBundle{"token": []byte("x")})...)
	n.phase(t, key, api.PhaseRunning)
}

func TestConfigs(t *testing.T) {
	n := startNode(t)
	pod := n.pod("cat /etc/site/a.conf /etc/site/sub/b.conf; touch /etc/site/c || echo read-only; sleep 1000000", func(c *api.Container) {
		c.Mounts = []api.Mount{{Path: "/etc/site", Config: "site", Version: "v1"}}
	})
	key := n.assign("web", 0, pod)
	if st := n.reason(t, key, "ConfigMissing"); st.Phase != api.PhasePending || !strings.Contains(st.Message, "config site in version v1") {
		t.Errorf("got %+v", st)
	}
	n.config(&api.ConfigData{Name: "site", ConfigSpec: api.ConfigSpec{Version: "v1", Files: map[string][]byte{"a.conf": []byte("a\n"), "sub/b.conf": []byte("b\n")}}})
	n.phase(t, key, api.PhaseRunning)
	n.hasOutput("web-0", "read-only")
	if out := n.output("web-0"); !strings.Contains(out, "a\nb\n") { // stderr may come between or before
		t.Errorf("got %q", out)
	}
}
