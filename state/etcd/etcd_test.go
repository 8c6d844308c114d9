package etcd_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/crashtest"
	"github.com/stowage-iac/stowage/state/etcd"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

func TestConformance(t *testing.T) {
	endpoint := servers.Etcd(t)
	statetest.Run(t, func(t *testing.T) func() state.Backend {
		return func() state.Backend {
			return etcd.New(etcd.Options{Endpoints: []string{endpoint}, Prefix: "stowage/" + t.Name() + "/"})
		}
	})
	t.Run("killed at every call", func(t *testing.T) {
		crashtest.Run(t, crashtest.Child{Type: "etcd", Arguments: map[string]any{"endpoints": []string{endpoint}, "prefix": "crash"}})
	})
	t.Run("a lock ends with its lease", func(t *testing.T) { leaseEnds(t, endpoint) })
	t.Run("users", func(t *testing.T) { users(t, endpoint) }) // last: it turns authentication on
}

// A holder whose lease is gone writes nothing more, and the lock is free.
func leaseEnds(t *testing.T, endpoint string) {
	open := func() state.Backend {
		return etcd.New(etcd.Options{Endpoints: []string{endpoint}, Prefix: "lease/"})
	}
	s, err := open().Lock(t.Context(), state.LockInfo{ID: "1", Who: "ann@desk"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, clientv3.Config{Endpoints: []string{endpoint}})
	got, err := c.Get(t.Context(), "lease/lock")
	if err != nil || len(got.Kvs) != 1 || got.Kvs[0].Lease == 0 {
		t.Fatalf("the lock's key: %+v, %v", got, err)
	}
	if _, err := c.Revoke(t.Context(), clientv3.LeaseID(got.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	if _, held, err := open().Holder(t.Context()); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	next, err := open().Lock(t.Context(), state.LockInfo{ID: "2"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Unlock()
	err = s.Replace(t.Context(), 0, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":1,\n\"x\":1}\n"))
	if err == nil || !strings.Contains(err.Error(), "lock was lost") {
		t.Errorf("wrote without a lock: %v", err)
	}
}

func client(t *testing.T, c clientv3.Config) *clientv3.Client {
	t.Helper()
	c.Logger = zap.NewNop()
	client, err := clientv3.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func users(t *testing.T, endpoint string) {
	c := client(t, clientv3.Config{Endpoints: []string{endpoint}})
	ctx := t.Context()
	for _, step := range []func() error{
		func() error { _, err := c.RoleAdd(ctx, "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "root", "r00t"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "ann", "secret"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ user, password, want string }{
		{"root", "r00t", ""},
		{"", "", "ETCD_PASSWORD"},
		{"ann", "wrong", "ETCD_PASSWORD"},
		{"ann", "secret", "does not let the user \"ann\""},
	} {
		b := etcd.New(etcd.Options{Endpoints: []string{endpoint}, Prefix: "p/", Username: test.user, Password: test.password})
		_, err := b.Read(ctx)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.user, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "wrong")) {
			t.Errorf("the password is in %v", err)
		}
	}
}

// An endpoint that accepts connections and says nothing ends with the caller's
// patience, and a reason.
func TestSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = etcd.New(etcd.Options{Endpoints: []string{"http://" + l.Addr().String()}, Prefix: "p/"}).Read(ctx)
	if err == nil {
		t.Error("read from a server that says nothing")
	}
}
