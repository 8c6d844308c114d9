package ssh

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
)

// A complete answer of the script, of a machine unlike those at hand.
const alpine = `clock 1764000000
uid 0
hostname edge-1
machine_id 
os alpine
os_version 3.22.1
os_name Alpine Linux v3.22
system Linux
machine aarch64
kernel 6.12.38-0-virt
cpus 4
memory_kib 1013904
disk_root 1894332
disk_lib 1894332
disk_data 1894332
disk_containerd 1894332
disk_bin 1894332
cgroup v2
controller cpu
controller memory
controller pids
init openrc
package_tool apk
containerd v2.1.4
runc 1.3.0
stowaged 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
feature overlay yes
feature veth no
feature bridge unknown
feature seccomp yes
some_later_key whatever
listen tcp 22 2161 sshd
listen tcp 7464 0 
listen udp 68 99 a name with spaces
package_lock 77 apk
node {  "cluster": "c1",  "name": "edge",  "role": "worker" }
end ok
`

func TestParseSurvey(t *testing.T) {
	const kib = 1 << 10
	got, clock, err := parseSurvey(alpine)
	if err != nil {
		t.Fatal(err)
	}
	if clock != time.Unix(1764000000, 0) {
		t.Errorf("clock %v", clock)
	}
	want := Survey{
		NodeFacts: api.NodeFacts{
			Hostname: "edge-1", OS: "alpine", OSVersion: "3.22.1", OSName: "Alpine Linux v3.22", Arch: "arm64",
			Kernel: "6.12.38-0-virt", CPUs: 4, Memory: 1013904 * kib, DiskFree: 1894332 * kib, CgroupVersion: 2,
			Init: "openrc", PackageTool: "apk", Containerd: "v2.1.4", Runc: "1.3.0",
			Stowaged: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
		},
		System: "Linux", Root: true, Cgroup: "v2", Controllers: []string{"cpu", "memory", "pids"},
		Features:  map[string]bool{"overlay": true, "veth": false, "seccomp": true},
		Listeners: []Listener{{"tcp", 22, 2161, "sshd"}, {"tcp", 7464, 0, ""}, {"udp", 68, 99, "a name with spaces"}},
		Disks: map[string]int64{"/": 1894332 * kib, "/var/lib": 1894332 * kib,
			"/var/lib/containerd": 1894332 * kib, "/usr/local/bin": 1894332 * kib},
		PackageLock: "77 apk", Node: &api.NodeConfig{Cluster: "c1", Name: "edge", Role: "worker"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Half an answer is no answer.
func TestParseSurveyIncomplete(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(alpine, "end ok\n"), "\n")
	for n := range lines {
		if _, _, err := parseSurvey(strings.Join(lines[:n], "")); err == nil {
			t.Fatalf("%d lines were taken for an answer", n)
		}
	}
}

func FuzzParseSurvey(f *testing.F) {
	f.Add(alpine)
	f.Add("end ok\nclock x\nlisten a b c\nfeature\n")
	f.Fuzz(func(t *testing.T, out string) { _, _, _ = parseSurvey(out) })
}
