package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// Bounds on what one node may write.
const (
	maxStatus          = 64 << 10 // bytes of one status
	maxReplicasPerNode = 2000
)

// Report writes what a node's agent says, below status/NODE only, and only what
// differs from what is there: heartbeats do not grow the store. SeenAt is not stored. Statuses that name another node are ErrInvalid.
func (s *Store) Report(ctx context.Context, node string, r api.StatusReport) error {
	present, err := s.present(ctx, node)
	if err != nil {
		return err
	}
	puts, gone, err := reported(node, r, present)
	if err != nil {
		return err
	}
	var ops []clientv3.Op
	for key, value := range puts {
		if !bytes.Equal(present[key], value) {
			ops = append(ops, clientv3.OpPut(key, string(value)))
			present[key] = value
		}
	}
	for _, key := range gone {
		if _, ok := present[key]; ok {
			ops = append(ops, clientv3.OpDelete(key))
			delete(present, key)
		}
	}
	if len(present) > maxReplicasPerNode {
		return fmt.Errorf("%w: node.%s reports more than %d replicas", ErrInvalid, node, maxReplicasPerNode)
	}
	return s.commitReport(ctx, node, ops)
}

// commitReport writes in batches, while the node's object exists.
func (s *Store) commitReport(ctx context.Context, node string, ops []clientv3.Op) error {
	exists := clientv3.Compare(clientv3.CreateRevision(objectKey(api.KindNode, node)), ">", 0)
	for len(ops) > 0 {
		n := min(len(ops), maxOps)
		resp, err := s.kv.Txn(ctx).If(exists).Then(ops[:n]...).Commit()
		if err != nil {
			return unavailable(err)
		}
		if !resp.Succeeded {
			return fmt.Errorf("%w: node.%s is not part of the cluster (any more)", ErrNotFound, node)
		}
		ops = ops[n:]
	}
	return nil
}

// reported turns a report into keys and values.
func reported(node string, r api.StatusReport, present map[string][]byte) (puts map[string][]byte, gone []string, err error) {
	puts = map[string][]byte{}
	if r.Node != nil {
		status := *r.Node
		if status.Name != node {
			return nil, nil, fmt.Errorf("%w: a status of node %q from node %q", ErrInvalid, status.Name, node)
		}
		status.SeenAt = time.Time{}
		puts[nodeStatusKey(node)] = encode(steady(present[nodeStatusKey(node)], status))
	}
	for _, replica := range r.Replicas {
		if replica.Node != node {
			return nil, nil, fmt.Errorf("%w: a replica of node %q from node %q", ErrInvalid, replica.Node, node)
		}
		if err := validName(replica.Pod); err != nil || replica.Slot < 0 {
			return nil, nil, fmt.Errorf("%w: a replica of pod %q, slot %d", ErrInvalid, replica.Pod, replica.Slot)
		}
		puts[replicaKey(node, replica.Pod, replica.Slot)] = encode(replica)
	}
	for key, value := range puts {
		if len(value) > maxStatus {
			return nil, nil, fmt.Errorf("%w: %s has %d bytes of at most %d", ErrInvalid, key, len(value), maxStatus)
		}
	}
	for _, key := range r.Gone {
		at := strings.LastIndexByte(key, '#')
		if at < 0 {
			return nil, nil, fmt.Errorf("%w: %q is no replica (POD#SLOT)", ErrInvalid, key)
		}
		gone = append(gone, replicaKey(node, key[:at], slotOf(key[at+1:])))
	}
	return puts, gone, nil
}

// steady keeps the stored free disk space while the new one is within an eighth
// of it, so that a log file that grows is no change of status.
func steady(stored []byte, status api.NodeStatus) api.NodeStatus {
	var was api.NodeStatus
	if json.Unmarshal(stored, &was) != nil {
		return status
	}
	old, now := was.Facts.DiskFree, status.Facts.DiskFree
	if now > old-old/8 && now < old+old/8 {
		status.Facts.DiskFree = old
	}
	return status
}

// present reads what is there of a node.
func (s *Store) present(ctx context.Context, node string) (map[string][]byte, error) {
	got, err := s.kv.Get(ctx, prefix("status", node), clientv3.WithPrefix(), clientv3.WithSerializable())
	if err != nil {
		return nil, unavailable(err)
	}
	present := make(map[string][]byte, len(got.Kvs))
	for _, kv := range got.Kvs {
		present[string(kv.Key)] = kv.Value
	}
	return present, nil
}
