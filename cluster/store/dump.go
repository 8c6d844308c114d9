package store

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Dump calls use with every key and value as they are stored, in key order.
func (s *Store) Dump(ctx context.Context, use func(key string, value []byte) error) error {
	var at int64
	for key := "\x00"; ; {
		got, err := s.kv.Get(ctx, key, clientv3.WithFromKey(), clientv3.WithLimit(page), clientv3.WithRev(at))
		if err != nil {
			return unavailable(err)
		}
		if at == 0 {
			at = got.Header.Revision
		}
		for _, kv := range got.Kvs {
			if err := use(string(kv.Key), kv.Value); err != nil {
				return err
			}
			key = string(kv.Key) + "\x00"
		}
		if !got.More {
			return nil
		}
	}
}
