package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stowage-iac/stowage/api"
)

func put(pod string, slot int) api.AssignmentUpdate {
	return api.AssignmentUpdate{Type: "put", Replica: &api.Assignment{Binding: api.Binding{Pod: pod, Slot: slot, Node: "n1", Revision: "r"},
		Template: simplePod("forever"), Sealed: []byte("sealed")}}
}

func TestCopySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	c, err := openCopy(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []api.AssignmentUpdate{
		{Type: "put", Node: &api.NodeSpec{Name: "n1", PodCIDR: "10.210.1.0/24"}},
		put("web", 0), put(`web["a/b"]`, 1), put("gone", 0),
		{Type: "put", Config: &api.ConfigData{Name: "site", ConfigSpec: api.ConfigSpec{Version: "v1", Files: map[string][]byte{"a": []byte("b")}}}},
		{Type: "delete", Key: "replica/gone#0"},
		{Type: "synced", KeepImages: []string{"img"}},
	} {
		if err := c.apply(u); err != nil {
			t.Fatal(err)
		}
	}
	// What a crash in the middle of a write leaves.
	if err := os.WriteFile(filepath.Join(dir, replicaFiles, ".new-1"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := openCopy(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again, cmp.AllowUnexported(diskCopy{}), cmpopts.IgnoreFields(diskCopy{}, "mu")); diff != "" {
		t.Error(diff)
	}
	if len(again.replicas) != 2 || !again.complete {
		t.Errorf("got %v", again.replicas)
	}
}

func TestDamagedCopyIsNamed(t *testing.T) {
	dir := t.TempDir()
	c, err := openCopy(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.apply(put("web", 0)); err != nil {
		t.Fatal(err)
	}
	path := c.file(replicaFiles, "web#0")
	if err := os.WriteFile(path, []byte("{\"pod\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openCopy(dir); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownMessagesAreRefused(t *testing.T) {
	c, err := openCopy(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []api.AssignmentUpdate{{Type: "patch"}, {Type: "delete", Key: "volume/x"}} {
		if err := c.apply(u); err == nil {
			t.Errorf("%+v was taken", u)
		}
	}
}
