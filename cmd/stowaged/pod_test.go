package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
)

// secret is planted and searched for.
const secret = "planted-Ni3eiR7u"

// TestPod is a node's life on real containerd: it joins its own cluster, runs a
// pod with a sealed secret, loses stowaged without losing the pod, rolls a
// change out, stops the pod and is torn down to nothing. The secret is in no
// file of stowaged's, no log and no entry of the store.
func TestPod(t *testing.T) {
	d := containerdtest.Start(t)
	i := newInstance(t, api.NodeConfig{Role: api.RoleManager, Containerd: d.Socket})
	namespace := envOf(i.env, "STOWAGE_NAMESPACE")
	i.env = append(i.env, "STOWAGE_CGROUP_ROOT=/"+namespace)
	image := d.Import(t, namespace, "stowage.test/busybox", containerdtest.Busybox())
	t.Cleanup(func() { i.output("", "teardown") })
	running := i.start("run")
	i.healthy()
	c := i.client()
	recipient := joinItself(t, i, c)

	first := webPod(t, image, "one", recipient)
	r := rollOut(t, c, first)
	serves(t, r.Statuses[0].IP, "one "+secret)
	before := r.Statuses[0].Containers[0]

	kill(t, running.Process.Pid)
	running.Wait()
	serves(t, r.Statuses[0].IP, "one "+secret)
	running = i.start("run")
	i.healthy()
	if r = rollOut(t, c, first); r.Statuses[0].Containers[0].PID != before.PID {
		t.Errorf("the container did not live on: %+v, was %+v", r.Statuses[0].Containers[0], before)
	}

	second := rollOut(t, c, webPod(t, image, "two", recipient))
	serves(t, second.Statuses[0].IP, "two "+secret)
	dump, err := c.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range dump {
		if bytes.Contains(kv.Value, []byte(secret)) {
			t.Errorf("the store has the secret in plain at %s", kv.Key)
		}
	}
	if err := c.Delete(t.Context(), api.KindPod, "web", "mine", 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.WaitPodGone(ctx, "web", nil); err != nil {
		t.Fatal(err)
	}
	running.Process.Signal(syscall.SIGTERM)
	if err := running.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	nowhere(t, i.dir)
	if _, err := i.output("", "teardown"); err != nil {
		t.Error(err)
	}
	bridge := envOf(i.env, "STOWAGE_BRIDGE")
	if exec.Command("ip", "link", "show", bridge).Run() == nil {
		t.Errorf("the bridge %s is left", bridge)
	}
}

func envOf(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// joinItself makes the only node part of its own cluster and returns its recipient.
func joinItself(t *testing.T, i *instance, c *client.Client) age.Recipient {
	t.Helper()
	out, err := i.output("", "identity", "-name", "m")
	var req api.JoinRequest
	if err == nil {
		err = json.Unmarshal([]byte(out), &req)
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, api.KindNode, "m", api.NodeSpec{Name: "m", Address: "127.0.0.1", Role: api.RoleManager, Schedulable: true, Recipient: req.Recipient})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.WaitNode(ctx, "m"); err != nil {
		t.Fatal(err)
	}
	recipient, err := age.ParseX25519Recipient(req.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	return recipient
}

func put(t testing.TB, c *client.Client, kind api.Kind, name string, spec any) {
	t.Helper()
	b, err := json.Marshal(spec)
	if err == nil {
		_, err = c.Put(t.Context(), api.Object{Kind: kind, Name: name, Owner: "mine", ModRevision: client.AnyRevision, Spec: b})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// webPod serves what and the secret on port 8080.
func webPod(t *testing.T, image, what string, recipient age.Recipient) api.PodSpec {
	t.Helper()
	bundle, err := json.Marshal(api.SealedBundle{"value": []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bundle); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	template := api.PodTemplate{Restart: "always", StopGrace: time.Second, SealedVersion: "1", Containers: []api.Container{{
		Name: "httpd", Image: image,
		Command: []string{"sh", "-c", `echo "$WHAT $(cat /secret)" > /tmp/index.html && exec httpd -f -p 8080 -h /tmp`},
		Env:     []api.EnvVar{{Name: "WHAT", Value: what}},
		Mounts:  []api.Mount{{Path: "/secret", Sealed: map[string]string{"": "value"}}},
	}}}
	return api.PodSpec{
		Replicas: 1, Placement: []string{"m"}, Template: template, Revision: api.TemplateRevision(template),
		Sealed: sealed.Bytes(), SealedFor: []string{"m"},
	}
}

// rollOut writes the pod and waits until it is ready.
func rollOut(t *testing.T, c *client.Client, spec api.PodSpec) client.Rollout {
	t.Helper()
	put(t, c, api.KindPod, "web", spec)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := c.WaitPod(ctx, "web", nil)
	if err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return r
}

// serves waits until the pod at an address answers, since "running" is not yet "listening".
func serves(t *testing.T, ip, want string) {
	t.Helper()
	get := func() (string, error) {
		resp, err := http.Get("http://" + net.JoinHostPort(ip, "8080") + "/")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return strings.TrimSpace(string(b)), err
	}
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(20 * time.Millisecond) {
		got, err := get()
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pod answers %q, %v; want %q", got, err, want)
		}
	}
}

// nowhere searches the files below dir for the secret. The pod's own tmpfs is
// gone with the pod.
func nowhere(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if bytes.Contains(b, []byte(secret)) {
			return fmt.Errorf("%s has the secret in plain", path)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("searched %d files: %v", files, err)
	}
}
