package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/cluster/pki"
)

// managers is the agent's way to the managers: its source of assignments and
// where it reports. Keys and certificates are read anew for each stream, since
// they may come, or be another cluster's, while the agent runs.
type managers struct {
	dir       pki.Dir
	addresses []string

	mu     sync.Mutex
	client *client.Client
}

// Assignments streams what the node is to run.
func (m *managers) Assignments(ctx context.Context, put func(api.AssignmentUpdate) error) error {
	c, err := m.connect()
	if err != nil {
		return err
	}
	for update, err := range c.Assignments(ctx) {
		if err != nil {
			return err
		}
		if err := put(update); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// reportPause is how soon a report is tried again that reached nobody: a
// manager restarts in a quarter of a second, the next heartbeat is a whole one.
const reportPause = 100 * time.Millisecond

// Report sends what the agent says of its node, for a while if nobody answers.
func (m *managers) Report(ctx context.Context, r api.StatusReport) error {
	patient, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		err := m.report(ctx, r)
		if err == nil || !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, errNotJoined) {
			return err
		}
		select {
		case <-time.After(reportPause):
		case <-patient.Done():
			return err
		}
	}
}

func (m *managers) report(ctx context.Context, r api.StatusReport) (err error) {
	m.mu.Lock()
	c := m.client
	m.mu.Unlock()
	if c == nil {
		if c, err = m.connect(); err != nil {
			return err
		}
	}
	return c.Report(ctx, r)
}

// errNotJoined is a node whose certificate was not brought yet.
var errNotJoined = errors.New("this node has no certificate yet")

// connect makes a new client of the keys that are there now.
func (m *managers) connect() (*client.Client, error) {
	if !m.dir.Joined() {
		return nil, fmt.Errorf("%w in %s; stowage apply brings it", errNotJoined, string(m.dir))
	}
	config, err := pki.ClientConfig(m.dir)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil {
		m.client.Close()
	}
	m.client = client.NewTLS(m.addresses, config)
	return m.client, nil
}

// renew replaces the node's certificate when it is due.
func (m *managers) renew(ctx context.Context, node api.NodeConfig) error {
	req, err := pki.Identify(m.dir, node.Name, node.Role, node.Address)
	if err != nil {
		return err
	}
	c, err := m.connect()
	if err != nil {
		return err
	}
	resp, err := c.Renew(ctx, *req)
	if err != nil {
		return err
	}
	return pki.Join(m.dir, *resp)
}
