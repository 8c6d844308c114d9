package api

import "time"

// Node roles.
const (
	RoleManager = "manager"
	RoleWorker  = "worker"
)

// NodeSpec is a desired node.
type NodeSpec struct {
	Name        string            `json:"name"`
	Address     string            `json:"address"` // where other nodes reach it: host or IP, no port
	Role        string            `json:"role"`
	Schedulable bool              `json:"schedulable"`
	Labels      map[string]string `json:"labels,omitempty"`
	Taints      []Taint           `json:"taints,omitempty"`
	// Reserve is kept free for the host itself.
	ReserveMilliCPU int64 `json:"reserve_milli_cpu,omitempty"`
	ReserveMemory   int64 `json:"reserve_memory,omitempty"` // bytes
	// PodCIDR is the node's /24 of PodSupernet, given by the manager at the first write.
	PodCIDR string `json:"pod_cidr,omitempty"`
	// Recipient is the node's age recipient (age1…), to which secrets are sealed.
	Recipient string `json:"recipient,omitempty"`
}

// Taint keeps pods away that do not tolerate it.
type Taint struct {
	Key    string `json:"key"`
	Effect string `json:"effect"` // no_schedule
}

// NodeFacts is what a host is: read over SSH before it is a node, reported by its agent after.
type NodeFacts struct {
	Hostname      string `json:"hostname"`
	MachineID     string `json:"machine_id,omitempty"`
	OS            string `json:"os"`         // ID of /etc/os-release, e.g. debian
	OSVersion     string `json:"os_version"` // VERSION_ID
	OSName        string `json:"os_name"`    // PRETTY_NAME
	Arch          string `json:"arch"`       // GOARCH: amd64, arm64
	Kernel        string `json:"kernel"`
	CPUs          int    `json:"cpus"`
	Memory        int64  `json:"memory"`    // bytes
	DiskFree      int64  `json:"disk_free"` // bytes free below DataDir's file system
	CgroupVersion int    `json:"cgroup_version"`
	Init          string `json:"init"`                 // systemd, openrc or none
	PackageTool   string `json:"package_tool"`         // apt, dnf, apk or ""
	Containerd    string `json:"containerd,omitempty"` // version, "" when absent
	Runc          string `json:"runc,omitempty"`
	Stowaged      string `json:"stowaged,omitempty"` // SHA-256 of the installed stowaged, "" when absent
}

// NodeStatus is what a node's agent says of its node.
type NodeStatus struct {
	Name      string    `json:"name"`
	Ready     bool      `json:"ready"`
	Message   string    `json:"message,omitempty"` // why not ready
	Version   string    `json:"version"`           // of stowaged
	Facts     NodeFacts `json:"facts"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"` // last heartbeat, by the manager's clock
	// Images are the refs in the Stowage namespace of containerd.
	Images []string `json:"images,omitempty"`
}

// NodeConfig is NodeConfigFile: what stowaged needs to start. Written by the CLI over SSH.
type NodeConfig struct {
	Cluster string `json:"cluster"` // cluster ID, given by the CLI at the first manager
	Name    string `json:"name"`
	Role    string `json:"role"`
	Address string `json:"address"` // advertised to other nodes
	// Context is the context whose cluster it is, for messages; "" where none is declared.
	Context string `json:"context,omitempty"`
	// Managers are "host:port" of the managers' node API.
	Managers []string `json:"managers"`
	// Containerd is the socket; default ContainerdSock. Supervise makes the
	// fallback supervisor run containerd too (a host without systemd).
	Containerd string `json:"containerd,omitempty"`
	Supervise  bool   `json:"supervise,omitempty"`
}

// ClusterView is everything a plan needs to know of a cluster, read at one revision of the store.
type ClusterView struct {
	Cluster  string          `json:"cluster"`
	Revision int64           `json:"revision"`
	Objects  []Object        `json:"objects"`
	Bindings []Binding       `json:"bindings"`
	Nodes    []NodeStatus    `json:"nodes"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// StatusReport is what an agent sends to a manager; replicas named in Gone no longer exist on the node.
type StatusReport struct {
	Node     *NodeStatus     `json:"node,omitempty"`
	Replicas []ReplicaStatus `json:"replicas,omitempty"`
	Gone     []string        `json:"gone,omitempty"` // Binding.Key
	Events   []Event         `json:"events,omitempty"`
}

// LocalView is what a node's operator socket says of the node itself, with or without a manager.
type LocalView struct {
	Config   NodeConfig      `json:"config"`
	Node     NodeStatus      `json:"node"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// Change is one message of the operator's watch stream.
type Change struct {
	Revision int64          `json:"revision"`
	Object   *Object        `json:"object,omitempty"`
	Binding  *Binding       `json:"binding,omitempty"`
	Node     *NodeStatus    `json:"node,omitempty"`
	Replica  *ReplicaStatus `json:"replica,omitempty"`
	Event    *Event         `json:"event,omitempty"`
	Deleted  bool           `json:"deleted,omitempty"`
}

// Error is the JSON body of every response that is not 2xx.
type Error struct {
	Code    string `json:"code"` // not_found, conflict, foreign_owner, invalid, forbidden, unavailable, compacted, no_space, internal
	Message string `json:"message"`
}

// Error makes an Error an error.
func (e *Error) Error() string { return e.Message }

// JoinRequest is what `stowaged identity` prints on a new node, after creating
// its keys if they are missing.
type JoinRequest struct {
	Name      string `json:"name"`
	CSR       string `json:"csr"`       // PEM
	Recipient string `json:"recipient"` // age1…
	// Role and Address are what the certificate is for; empty: what the CSR says.
	Role    string `json:"role,omitempty"`
	Address string `json:"address,omitempty"`
}

// JoinResponse is the manager's answer: what the CLI writes to DataDir/pki with stowaged join.
type JoinResponse struct {
	Certificate string `json:"certificate"` // PEM
	CA          string `json:"ca"`          // PEM
}
