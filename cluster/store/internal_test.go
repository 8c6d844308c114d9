package store

import (
	"context"
	"testing"
)

// Compact is for tests outside of the package.
func (s *Store) Compact(ctx context.Context, revision int64) error {
	_, err := s.kv.Compact(ctx, revision)
	return err
}

// FuzzState: whatever is in the store, a state takes it in or refuses it, and
// can still be read.
func FuzzState(f *testing.F) {
	for _, key := range []string{"objects/pod/web", "objects/node/a", "revisions/web/1", "configs/site/v1", "bindings/a/web/0", "status/a/node", "status/a/replica/web/0", "health/a", "events/pod.web/3", "podcidrs/x"} {
		f.Add(root+key, []byte(`{"name":"a","kind":"pod","pod":"web","slot":0,"spec":{"replicas":1}}`), false)
		f.Add(root+key, []byte(nil), true)
		f.Add(root+key, []byte(`{`), false)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte, deleted bool) {
		s := NewState()
		for _, d := range []bool{false, deleted, true} {
			c := changeOf(key, value, 1, d)
			s.Apply(c) // an error is an answer too
			c.Message(s)
		}
		s.View("c")
	})
}

// FuzzKeys: any name survives the way into a key and back.
func FuzzKeys(f *testing.F) {
	f.Add(`web["a/b"]`, "%2F")
	f.Fuzz(func(t *testing.T, a, b string) {
		parts, ok := split(join("bindings", a, b))
		if !ok || len(parts) != 3 || parts[1] != a || parts[2] != b {
			t.Errorf("%q and %q became %q", a, b, parts)
		}
	})
}
