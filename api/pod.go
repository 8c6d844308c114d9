package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// PodSpec is a desired pod: so many replicas of a template.
type PodSpec struct {
	Replicas int         `json:"replicas"`
	Template PodTemplate `json:"template"`
	// Revision is TemplateRevision(Template).
	Revision string `json:"revision"`
	// Placement pins each slot (index) to a node, as the plan said. The
	// controllers bind accordingly. len(Placement) == Replicas.
	Placement []string `json:"placement"`
	// Sealed is the age ciphertext of SealedBundle for the nodes in SealedFor.
	Sealed    []byte   `json:"sealed,omitempty"`
	SealedFor []string `json:"sealed_for,omitempty"`
	// Scheduling is kept for the controllers' later decisions (failover).
	Scheduling Scheduling `json:"scheduling"`
}

// PodTemplate is what a replica runs. Its hash is the revision: nothing that may
// change without a restart belongs here.
type PodTemplate struct {
	Init       []Container `json:"init,omitempty"` // run one after the other, each to success
	Containers []Container `json:"containers"`
	Restart    string      `json:"restart"` // always, on_failure, never
	// SealedVersion is a keyed hash of the sealed bundle's plain content; it makes
	// a changed secret a new revision without revealing it. "" without secrets.
	SealedVersion string `json:"sealed_version,omitempty"`
	// StopGrace is the time between TERM and KILL; default 30 s.
	StopGrace time.Duration `json:"stop_grace,omitempty"`
}

// Container is one container of a pod.
type Container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`             // NAME@sha256:…, present in containerd
	Command []string `json:"command,omitempty"` // replaces the image's entrypoint
	Args    []string `json:"args,omitempty"`    // replaces the image's cmd
	Env     []EnvVar `json:"env,omitempty"`     // sorted by name
	WorkDir string   `json:"work_dir,omitempty"`
	User    string   `json:"user,omitempty"` // "uid", "uid:gid" or a name; default the image's
	Ports   []Port   `json:"ports,omitempty"`
	// Resources; zero means none.
	Resources Resources `json:"resources"`
	Mounts    []Mount   `json:"mounts,omitempty"`
	ReadOnly  bool      `json:"read_only,omitempty"` // root filesystem
	// CapAdd names capabilities beyond the default set, e.g. "CAP_NET_ADMIN".
	CapAdd []string `json:"cap_add,omitempty"`
}

// EnvVar is one environment variable: Value, or the sealed bundle's entry Sealed.
type EnvVar struct {
	Name   string `json:"name"`
	Value  string `json:"value,omitempty"`
	Sealed string `json:"sealed,omitempty"` // key in SealedBundle
}

// Port is a container port, and the host port that leads to it.
type Port struct {
	Name      string `json:"name"`
	Container int    `json:"container"`
	Host      int    `json:"host,omitempty"`     // 0: none
	Protocol  string `json:"protocol,omitempty"` // tcp (default), udp
}

// Mount puts files at Path. Exactly one of Config, Sealed, HostPath is set.
type Mount struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode,omitempty"` // of the files; default 0444 for configs, 0400 for secrets
	// Config and Version name an object of kind config: Path becomes a directory of its files.
	Config  string `json:"config,omitempty"`
	Version string `json:"version,omitempty"`
	// Sealed maps a file name to a key of SealedBundle. With the single file name
	// "" Path itself is the file; else Path is a directory. Kept on tmpfs.
	Sealed map[string]string `json:"sealed,omitempty"`
	// HostPath binds a directory of the host.
	HostPath string `json:"host_path,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// SealedBundle is the plain content of PodSpec.Sealed: key → value.
type SealedBundle map[string][]byte

// Resources are requests and limits.
type Resources struct {
	MilliCPU      int64 `json:"milli_cpu,omitempty"` // requests, used by the scheduler and as CPU shares
	Memory        int64 `json:"memory,omitempty"`    // bytes
	LimitMilliCPU int64 `json:"limit_milli_cpu,omitempty"`
	LimitMemory   int64 `json:"limit_memory,omitempty"` // bytes
	LimitPids     int64 `json:"limit_pids,omitempty"`
}

// Scheduling says where replicas may run.
type Scheduling struct {
	OnAll    bool     `json:"on_all,omitempty"` // one per schedulable node
	Where    string   `json:"where,omitempty"`  // label expression
	Strategy string   `json:"strategy,omitempty"`
	OnePer   string   `json:"one_per,omitempty"` // "node": at most one replica per node
	Tolerate []string `json:"tolerate,omitempty"`
}

// Requests sums what one replica asks for: the containers together, or the
// largest init container where that is more.
func (t *PodTemplate) Requests() (milliCPU, memory int64) {
	for _, c := range t.Containers {
		milliCPU += c.Resources.MilliCPU
		memory += c.Resources.Memory
	}
	for _, c := range t.Init {
		milliCPU = max(milliCPU, c.Resources.MilliCPU)
		memory = max(memory, c.Resources.Memory)
	}
	return milliCPU, memory
}

// TemplateRevision is the revision of a template: 12 hex digits of the SHA-256 of its JSON.
func TemplateRevision(t PodTemplate) string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("a pod template is always JSON: %v", err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:12]
}

// Binding is the decision that a slot runs on a node, made by the leader's controllers only.
type Binding struct {
	Pod      string `json:"pod"`
	Slot     int    `json:"slot"`
	Node     string `json:"node"`
	Revision string `json:"revision"`
}

// Assignment is a binding with all that the node's agent needs to run it without asking anyone.
type Assignment struct {
	Binding
	Template PodTemplate `json:"template"`
	Sealed   []byte      `json:"sealed,omitempty"`
}

// Key identifies a replica: POD#SLOT. A slot has one assignment per node at a time.
func (b Binding) Key() string { return fmt.Sprintf("%s#%d", b.Pod, b.Slot) }

// AssignmentUpdate is one message of a node's assignment stream. A stream begins
// with a put for everything that concerns the node, then one "synced" (whatever
// was not put since the start of the stream is gone), then changes as they come.
type AssignmentUpdate struct {
	Type    string      `json:"type"`          // put, delete, synced
	Key     string      `json:"key,omitempty"` // of a delete: replica/KEY, config/NAME@VERSION
	Replica *Assignment `json:"replica,omitempty"`
	Config  *ConfigData `json:"config,omitempty"`
	Node    *NodeSpec   `json:"node,omitempty"`
	// KeepImages comes with synced and whenever it changes: refs that no agent may collect.
	KeepImages []string `json:"keep_images,omitempty"`
}

// ConfigData is a config as an agent gets it.
type ConfigData struct {
	Name string `json:"name"`
	ConfigSpec
}

// Replica phases.
const (
	PhasePending   = "pending"   // accepted, not yet started
	PhaseStarting  = "starting"  // init containers or first start
	PhaseRunning   = "running"   // every container runs
	PhaseBackOff   = "back_off"  // a container waits for its next restart
	PhaseSucceeded = "succeeded" // all ended with 0 and are not to be restarted
	PhaseFailed    = "failed"    // will not run without a change
	PhaseStopping  = "stopping"
)

// ReplicaStatus is what a node's agent says of one replica.
type ReplicaStatus struct {
	Pod        string            `json:"pod"`
	Slot       int               `json:"slot"`
	Node       string            `json:"node"`
	Revision   string            `json:"revision"`
	Phase      string            `json:"phase"`
	Ready      bool              `json:"ready"`
	IP         string            `json:"ip,omitempty"`
	Restarts   int               `json:"restarts,omitempty"`
	Reason     string            `json:"reason,omitempty"`  // CamelCase, machine-readable: ImageMissing, PortTaken, CrashLoop…
	Message    string            `json:"message,omitempty"` // full sentence for a person
	Since      time.Time         `json:"since"`             // of the phase
	Containers []ContainerStatus `json:"containers,omitempty"`
}

// ContainerStatus is the state of one container of a replica.
type ContainerStatus struct {
	Name      string    `json:"name"`
	ID        string    `json:"id"`    // in containerd
	State     string    `json:"state"` // waiting, running, exited
	PID       int       `json:"pid,omitempty"`
	ExitCode  int       `json:"exit_code,omitempty"`
	Restarts  int       `json:"restarts,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	NextStart time.Time `json:"next_start,omitzero"` // while waiting in back-off
	OOMKilled bool      `json:"oom_killed,omitempty"`
}
