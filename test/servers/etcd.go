// Package servers starts the real servers that tests of clients need: etcd,
// PostgreSQL, an S3 store, a server of Terraform's http protocol, a manager. Each listens on loopback and ends with its test.
package servers

import (
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Etcd starts one member and returns its client URL.
func Etcd(t testing.TB) string {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.LogLevel = "panic"
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	c.ListenClientUrls, c.ListenPeerUrls = []url.URL{any}, []url.URL{any}
	c.AdvertiseClientUrls, c.AdvertisePeerUrls = []url.URL{any}, []url.URL{any}
	c.InitialCluster = c.Name + "=" + any.String()
	c.UnsafeNoFsync = true // what etcd does with a disk is not under test
	c.TickMs, c.ElectionMs = 20, 200
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd has no leader")
	}
	return "http://" + e.Clients[0].Addr().String()
}
