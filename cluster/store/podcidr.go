package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// completeNode keeps what the spec leaves out (the recipient) and what it has
// no say in (the pod CIDR), giving a new node the lowest free /24.
func (s *Store) completeNode(ctx context.Context, w *write, prior *api.Object) error {
	var spec, was api.NodeSpec
	if err := json.Unmarshal(w.object.Spec, &spec); err != nil {
		return fmt.Errorf("%w: node.%s: %w", ErrInvalid, w.object.Name, err)
	}
	if prior != nil {
		if err := json.Unmarshal(prior.Spec, &was); err != nil {
			return fmt.Errorf("store: node.%s is damaged: %w", w.object.Name, err)
		}
	}
	if spec.Recipient == "" {
		spec.Recipient = was.Recipient
	}
	spec.PodCIDR = was.PodCIDR
	if spec.PodCIDR == "" {
		cidr, err := s.freePodCIDR(ctx)
		if err != nil {
			return fmt.Errorf("node.%s: %w", w.object.Name, err)
		}
		key := podCIDRKey(cidr)
		w.when = append(w.when, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
		w.also = append(w.also, clientv3.OpPut(key, w.object.Name))
		spec.PodCIDR = cidr
	}
	w.object.Spec = encode(spec)
	return nil
}

func (s *Store) freePodCIDR(ctx context.Context) (string, error) {
	got, err := s.kv.Get(ctx, prefix("podcidrs"), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return "", unavailable(err)
	}
	taken := map[string]bool{}
	for _, kv := range got.Kvs {
		if parts, ok := split(string(kv.Key)); ok {
			taken[parts[len(parts)-1]] = true
		}
	}
	return lowestFree(netip.MustParsePrefix(api.PodSupernet), taken)
}

// lowestFree is the first /24 of the supernet (a /16) that is not taken.
func lowestFree(supernet netip.Prefix, taken map[string]bool) (string, error) {
	b := supernet.Masked().Addr().As4()
	for third := range 256 {
		b[2] = byte(third)
		cidr := netip.PrefixFrom(netip.AddrFrom4(b), 24).String()
		if !taken[cidr] {
			return cidr, nil
		}
	}
	return "", fmt.Errorf("%w: all 256 pod networks of %s are taken; a cluster has at most 256 nodes", ErrInvalid, supernet)
}
