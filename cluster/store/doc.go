// Package store is the cluster's memory: etcd, embedded in the managers, behind
// typed reads and writes. It listens for other managers only (mutual TLS); the
// rest of the process uses it in memory.
//
// One writer per fact (docs/glossary.md): apply writes objects, the leader's
// controllers write bindings and health, a node's agent writes below
// status/NODE. Every write of an object states what it expects to replace.
//
// Layout, below /stowage/v1/ with every name path-escaped:
//
//	objects/KIND/NAME         api.Object
//	revisions/POD/REVISION    Revision: written with the pod, kept while bound
//	configs/NAME/VERSION      api.ConfigSpec: written with the config, kept while used
//	bindings/NODE/POD/SLOT    api.Binding
//	status/NODE/node          api.NodeStatus
//	status/NODE/replica/POD/SLOT  api.ReplicaStatus
//	health/NODE               Health: the nodes controller's verdict
//	podcidrs/CIDR             the node that has it
//	events/OBJECT/N           api.Event, N modulo eventsKept, under a lease
package store

import "errors"

// Sentinels; the API turns them into api.Error codes.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("conflict")
	ErrForeignOwner = errors.New("foreign owner")
	ErrInvalid      = errors.New("invalid")
	ErrCompacted    = errors.New("compacted")
	ErrUnavailable  = errors.New("unavailable")
)
