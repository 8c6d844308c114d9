// Package client talks to stowaged's API: JSON over HTTP on a unix socket that
// is reached through SSH (operators) or on mutual TLS (agents). It links no etcd.
package client

import (
	"context"
	"net"
)

// Dialer opens a connection to the API, e.g. through an ssh.Host.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client is a connection to one stowaged. Safe for concurrent use.
type Client struct{ dial Dialer }

// New makes a client; nothing is dialled before the first call.
func New(dial Dialer) *Client { return &Client{dial: dial} }
