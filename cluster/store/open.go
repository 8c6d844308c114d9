package store

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"

	"go.etcd.io/etcd/client/pkg/v3/transport"
)

// Options say where the store lives and how other managers reach it.
type Options struct {
	Dir     string // data directory, made with mode 0700
	Name    string // the node's name
	Cluster string // cluster ID; a store of another cluster is refused by its peers
	Address string // advertised to other managers: host or IP
	// Members is how many managers the cluster has. A lone one need not be
	// patient with others: it is ready within a quarter of a second.
	Members int
	// PeerListen is the IP to listen on for other managers, PeerPort the port.
	PeerListen string
	PeerPort   int
	// CA, Cert and Key are PEM files; ServerName is the name in every manager's
	// certificate and in no worker's.
	CA, Cert, Key, ServerName string
	Log                       *slog.Logger
}

// Store is an open store. Safe for concurrent use.
type Store struct {
	etcd *embed.Etcd
	kv   *clientv3.Client
	log  *slog.Logger

	events *eventLog
	closed sync.Once
}

const (
	quota          = 512 << 20 // bytes of data; also bounds the memory map
	maxRequest     = 8 << 20
	walSegment     = 8 << 20 // etcd's 64 MB are made for thousands of writes a second
	maxOps         = 512     // operations per transaction
	startupTimeout = 60 * time.Second
)

var tuneOnce sync.Once

// Open starts etcd and waits until it serves. Another process that has the same
// directory open, a damaged log and a full disk are errors, not the process's end.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	tuneOnce.Do(func() { wal.SegmentSizeBytes = walSegment })
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := probe(o.Dir); err != nil {
		return nil, err
	}
	opening := newFatal(o.Log)
	defer func() {
		opening.done()
		if r := recover(); r != nil {
			err = fmt.Errorf("store: etcd cannot start on %s: %v; if the directory is damaged, restore it from a backup", o.Dir, r)
		}
	}()
	e, err := embed.StartEtcd(o.config(opening))
	if err != nil {
		return nil, fmt.Errorf("store: etcd cannot start on %s: %w", o.Dir, err)
	}
	timeout := time.NewTimer(startupTimeout)
	defer timeout.Stop()
	select {
	case <-e.Server.ReadyNotify():
	case err = <-e.Err():
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = fmt.Errorf("no leader after %s: is a majority of the managers up?", startupTimeout)
	}
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Store{etcd: e, kv: v3client.New(e.Server), log: o.Log, events: newEventLog()}, nil
}

// Close stops etcd; what was acknowledged is on disk already.
func (s *Store) Close() {
	s.closed.Do(func() {
		s.kv.Close()
		s.etcd.Close()
	})
}

// Failed yields the error that ended etcd, if it ever does by itself.
func (s *Store) Failed() <-chan error { return s.etcd.Err() }

// Leads reports whether this manager leads the raft group now; changed is
// closed when that may be different.
func (s *Store) Leads() (leads bool, changed <-chan struct{}) {
	changed = s.etcd.Server.LeaderChangedNotify()
	return s.etcd.Server.Leader() == s.etcd.Server.MemberID(), changed
}

// probe writes a file, so that a full or read-only disk is named before etcd trips over it.
func probe(dir string) error {
	file := filepath.Join(dir, ".probe")
	defer os.Remove(file)
	if err := os.WriteFile(file, make([]byte, 64<<10), 0o600); err != nil {
		return fmt.Errorf("store: %s cannot be written: %w; free some space or mount it read-write", dir, err)
	}
	return nil
}

func (o Options) config(f *fatal) *embed.Config {
	c := embed.NewConfig()
	c.Name = url.PathEscape(o.Name)
	c.Dir = o.Dir
	listen := url.URL{Scheme: "https", Host: net.JoinHostPort(o.PeerListen, strconv.Itoa(o.PeerPort))}
	peer := url.URL{Scheme: "https", Host: net.JoinHostPort(o.Address, strconv.Itoa(o.PeerPort))}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{listen}, []url.URL{peer}
	c.ListenClientUrls, c.AdvertiseClientUrls = nil, []url.URL{}
	c.InitialCluster = c.Name + "=" + peer.String()
	c.InitialClusterToken = o.Cluster
	c.PeerTLSInfo = transport.TLSInfo{
		CertFile: o.Cert, KeyFile: o.Key, TrustedCAFile: o.CA, ClientCertAuth: true,
		ServerName: o.ServerName, AllowedHostnames: []string{o.ServerName},
	}
	if o.Members <= 1 {
		c.TickMs, c.ElectionMs = 20, 200
	}
	c.StrictReconfigCheck = true
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(f.logger())
	o.tune(c)
	return c
}

// tune makes etcd small: little history in memory and on disk.
func (Options) tune(c *embed.Config) {
	c.SnapshotCount = 2000
	c.SnapshotCatchUpEntries = 200
	c.MaxSnapFiles, c.MaxWalFiles = 2, 2
	c.QuotaBackendBytes = quota
	c.MaxRequestBytes = maxRequest
	c.MaxTxnOps = maxOps
	c.AutoCompactionMode = embed.CompactorModePeriodic
	c.AutoCompactionRetention = "10m"
	c.BackendFreelistType = "map"
	c.BootstrapDefragThresholdMegabytes = 64
	c.WarningApplyDuration = time.Second
	c.WarningUnaryRequestDuration = 5 * time.Second
	c.EnableGRPCGateway = false
}
