package api

import (
	"encoding/json"
	"time"
)

// Kind names a kind of object in the cluster store.
type Kind string

// The kinds of objects. Secrets are no objects: they reach a node only sealed inside the pods that use them.
const (
	KindNode   Kind = "node"
	KindPod    Kind = "pod"
	KindConfig Kind = "config"
	KindImage  Kind = "image"
)

// Object is one desired object in the cluster store, written by apply only.
type Object struct {
	Kind Kind `json:"kind"`
	// Name is the resource's address without its kind: web, web[0] or web["a"].
	Name string `json:"name"`
	// Owner is the lineage of the state that manages the object. A different
	// lineage may not overwrite or delete it.
	Owner string `json:"owner"`
	// ModRevision is the store's revision of the last write; 0 before the first.
	// Written back as the precondition of an update.
	ModRevision int64 `json:"mod_revision,omitempty"`
	// Spec is the JSON of NodeSpec, PodSpec, ConfigSpec or ImageSpec, by Kind.
	Spec json.RawMessage `json:"spec"`
}

// Nobody owns an object that a state has given up: it stays, and any state may take
// it over.
const Nobody = "nobody"

// Handover changes the owner of an object.
type Handover struct {
	From string `json:"from"` // the owner that it has
	To   string `json:"to"`
}

// ConfigSpec is a config's content.
type ConfigSpec struct {
	// Version is the content's hash, 12 hex digits.
	Version string `json:"version"`
	// Files maps a file name (no slash at either end, may contain directories) to its content.
	Files map[string][]byte `json:"files"`
}

// ImageSpec records an image that apply pushed, so that agents keep it.
type ImageSpec struct {
	Ref    string `json:"ref"`    // name in containerd, always NAME@sha256:…
	Digest string `json:"digest"` // of the manifest
	Size   int64  `json:"size"`   // compressed bytes of all blobs
}

// Event is something that happened to an object, reported by an agent or a controller.
type Event struct {
	Time    time.Time `json:"time"`
	Node    string    `json:"node,omitempty"`
	Object  string    `json:"object"` // address-like, e.g. pod.web[2]
	Type    string    `json:"type"`   // normal, warning
	Reason  string    `json:"reason"` // CamelCase, e.g. ContainerExited
	Message string    `json:"message"`
}
