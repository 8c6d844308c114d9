// Package api holds the plain data that crosses a wire or a disk between the
// stowage CLI, the managers and the agents: objects, pods, nodes, bindings,
// status and events. It has no behaviour beyond naming, hashing and validation,
// and imports nothing of Stowage.
//
// Everything here is JSON. Fields are only ever added; a reader ignores the
// fields that it does not know.
package api

// Version of the wire format, sent as the Stowage-Api header and checked by both sides.
const Version = 1

// Paths on a host, all created by the bootstrap and removed with the node.
const (
	ConfigDir      = "/etc/stowage"
	NodeConfigFile = "/etc/stowage/node.json"        // NodeConfig, mode 0600
	DataDir        = "/var/lib/stowage"              // pki/, etcd/, agent/, install.json
	InstallFile    = "/var/lib/stowage/install.json" // what the bootstrap installed (ssh/bootstrap.Manifest)
	RunDir         = "/run/stowage"                  // ns/, secrets/ (tmpfs), stowaged.sock
	Socket         = "/run/stowage/stowaged.sock"    // operator API, mode 0600, owned by root
	Binary         = "/usr/local/bin/stowaged"       // the agent
	UnitFile       = "/etc/systemd/system/stowaged.service"
	ContainerdSock = "/run/containerd/containerd.sock"
	// ContainerdNamespace is the containerd namespace that holds everything of Stowage.
	ContainerdNamespace = "stowage"
	// Bridge is the node's pod bridge; NftTable is the name of the nftables table (family ip).
	Bridge   = "stowage0"
	NftTable = "stowage"
	// NodePort is the managers' mutual-TLS port for agents; PeerPort is etcd's peer port.
	NodePort = 7464
	PeerPort = 7465
	// PodSupernet is divided into one /24 per node.
	PodSupernet = "10.210.0.0/16"
)

// Labels on every containerd container and image that Stowage owns.
const (
	LabelCluster   = "stowage.cluster"   // cluster ID
	LabelPod       = "stowage.pod"       // pod name, e.g. web or web["a"]
	LabelSlot      = "stowage.slot"      // slot number, decimal
	LabelRevision  = "stowage.revision"  // template revision
	LabelContainer = "stowage.container" // container name inside the pod
	LabelInit      = "stowage.init"      // "true" on init containers
)
