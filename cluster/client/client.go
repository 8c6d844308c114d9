// Package client talks to stowaged's API: JSON over HTTP/2 on a unix socket
// that is reached through SSH (operators) or on mutual TLS (agents). It links
// no etcd.
//
// Every error that the API gave matches one of the sentinels with errors.Is;
// errors.As with *api.Error yields the code and the message. A call that may be
// repeated without harm is repeated with back-off while the API is unreachable
// or unavailable, for Patience at most; then it fails with ErrUnavailable.
package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Patience is how long a call repeats itself while the API cannot be reached.
const Patience = 15 * time.Second

// requestTimeout bounds one attempt of a call that is not a stream.
const requestTimeout = 30 * time.Second

// Dialer opens a connection to the API, e.g. through an ssh.Host.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client is a connection to one stowaged. Safe for concurrent use: all calls
// and streams share one connection, which is dialled again when it breaks.
type Client struct {
	base     string // scheme and authority
	http     *http.Client
	patience time.Duration

	mu     sync.Mutex
	mirror *mirror // shared by the waiters; nil when there are none
}

// New makes a client of a unix socket; nothing is dialled before the first call.
func New(dial Dialer) *Client {
	return &Client{
		base:     "http://stowaged",
		patience: Patience,
		http: &http.Client{Transport: transport(func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return dial(ctx)
		})},
	}
}

// NewTLS makes a client of the managers' mutual-TLS port. The addresses
// ("host:port") are tried in turn, the last one that answered first.
func NewTLS(addresses []string, config *tls.Config) *Client {
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	return &Client{
		base:     "https://stowaged",
		patience: Patience,
		http:     &http.Client{Transport: transport(roundRobin(addresses, config))},
	}
}

// Close drops idle connections. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// dialTimeout bounds one attempt to connect.
const dialTimeout = 30 * time.Second

// roundRobin dials the addresses in turn, beginning with the one that worked last.
func roundRobin(addresses []string, config *tls.Config) Dialer {
	var mu sync.Mutex
	first := 0
	return func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		start := first
		mu.Unlock()
		err := fmt.Errorf("no manager is known: the node's configuration lists none")
		for i := range addresses {
			at := (start + i) % len(addresses)
			var conn net.Conn
			if conn, err = dialTLS(ctx, addresses[at], config); err == nil {
				mu.Lock()
				first = at
				mu.Unlock()
				return conn, nil
			}
		}
		return nil, err
	}
}

func dialTLS(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: 15 * time.Second}, Config: config}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("manager %s: %w", address, err)
	}
	return conn, nil
}
