// Package etcd keeps a state in an etcd cluster of yours.
package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stowage-iac/stowage/state/keyed"
)

const (
	// limit of one value: etcd refuses requests of more than 1.5 MiB by default.
	limit = 1 << 20
	// pageSize is how many values are read at once.
	pageSize = 16
	// callTimeout bounds one call.
	callTimeout = 15 * time.Second
	// lockTTL is how long a lock outlives its holder.
	lockTTL = 15
)

// Options say where the state is.
type Options struct {
	Endpoints          []string
	Prefix             string // ends in /
	Username, Password string
	CA, Cert, Key      string // paths of PEM files, or ""
}

// New makes a backend; nothing is dialled yet.
func New(o Options) *keyed.Backend {
	where := fmt.Sprintf("etcd %s at %s", strings.TrimSuffix(o.Prefix, "/"), strings.Join(o.Endpoints, ", "))
	return keyed.New(&store{o: o}, keyed.Options{
		Location: where, Previous: where + " (stowage state history lists them)", Limit: limit,
		Stale: fmt.Sprintf("its lock ends by itself within %d s", lockTTL),
	})
}

// store is the keys below a prefix.
type store struct {
	o Options

	mu     sync.Mutex
	client *clientv3.Client
}

var _ keyed.Store = (*store)(nil)

// connect makes the client at its first use.
func (s *store) connect(ctx context.Context) (*clientv3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	config := clientv3.Config{
		Endpoints: s.o.Endpoints, Username: s.o.Username, Password: s.o.Password,
		DialTimeout: callTimeout, DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		Logger: zap.NewNop(), MaxUnaryRetries: 3,
	}
	if strings.HasPrefix(s.o.Endpoints[0], "https:") {
		var err error
		if config.TLS, err = s.o.tls(); err != nil {
			return nil, err
		}
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.client = client
	return client, nil
}

// Close ends the client.
func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	c := s.client
	s.client = nil
	return c.Close()
}

func (o Options) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("backend \"etcd\": cacert_path: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("backend \"etcd\": cacert_path: %s holds no PEM certificate", o.CA)
		}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("backend \"etcd\": cert_path and key_path: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// do calls with a client and a timeout, and explains what fails.
func (s *store) do(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = call(within, client)
	if err == nil || errors.Is(err, keyed.ErrAbsent) || errors.Is(err, keyed.ErrChanged) || errors.Is(err, keyed.ErrHeld) {
		return err
	}
	return s.explain(ctx, err)
}

// explain says what a call's error means and what to do.
func (s *store) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	where := "etcd at " + strings.Join(s.o.Endpoints, ", ")
	code := status.Code(err)
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed):
		return fmt.Errorf("%s refuses the user %q: check username and the environment variable ETCD_PASSWORD (%w)", where, s.o.Username, err)
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("%s wants a user: set username and the environment variable ETCD_PASSWORD (%w)", where, err)
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("%s does not let the user %q read and write below %s: grant it that role (%w)", where, s.o.Username, s.o.Prefix, err)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%s is full: compact and defragment it, or raise its quota (%w)", where, err)
	case errors.Is(err, context.DeadlineExceeded), code == codes.DeadlineExceeded, code == codes.Unavailable:
		return fmt.Errorf("%s does not answer: check the endpoints, the network between, and that a majority of its members runs (%w)", where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// Get reads one value.
func (s *store) Get(ctx context.Context, key string) (o keyed.Object, err error) {
	err = s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		got, err := c.Get(ctx, s.o.Prefix+key)
		if err != nil {
			return err
		}
		if len(got.Kvs) == 0 {
			return keyed.ErrAbsent
		}
		o = keyed.Object{Key: key, Data: got.Kvs[0].Value, Revision: revision(got.Kvs[0].ModRevision)}
		return nil
	})
	return o, err
}

func revision(n int64) string { return strconv.FormatInt(n, 10) }

// All reads the values below a prefix at one revision of etcd.
func (s *store) All(ctx context.Context, prefix string) (all []keyed.Object, err error) {
	from, end := s.o.Prefix+prefix, clientv3.GetPrefixRangeEnd(s.o.Prefix+prefix)
	at, more := int64(0), true
	for more {
		err = s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
			got, err := c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(at))
			if err != nil {
				return err
			}
			at, more = got.Header.Revision, got.More
			for _, kv := range got.Kvs {
				all = append(all, keyed.Object{Key: string(kv.Key[len(s.o.Prefix):]), Data: kv.Value, Revision: revision(kv.ModRevision)})
				from = string(kv.Key) + "\x00"
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Keys lists the keys below a prefix.
func (s *store) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	err = s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		got, err := c.Get(ctx, s.o.Prefix+prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		for _, kv := range got.Kvs {
			keys = append(keys, string(kv.Key[len(s.o.Prefix):]))
		}
		return nil
	})
	return keys, err
}

// Put writes a value in a transaction that compares its revision.
func (s *store) Put(ctx context.Context, key string, data []byte, from string) (now string, err error) {
	var want int64
	if from != "" {
		if want, err = strconv.ParseInt(from, 10, 64); err != nil {
			return "", err
		}
	}
	err = s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		key := s.o.Prefix + key
		done, err := c.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", want)).Then(clientv3.OpPut(key, string(data))).Commit()
		if err != nil {
			return err
		}
		if !done.Succeeded {
			return keyed.ErrChanged
		}
		now = revision(done.Header.Revision)
		return nil
	})
	return now, err
}

// deletesPerCall stays below etcd's default of 128 operations in a transaction.
const deletesPerCall = 100

// Delete removes keys.
func (s *store) Delete(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		n := min(len(keys), deletesPerCall)
		var ops []clientv3.Op
		for _, key := range keys[:n] {
			ops = append(ops, clientv3.OpDelete(s.o.Prefix+key))
		}
		keys = keys[n:]
		err := s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(ops...).Commit()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
