package main

import (
	"context"
	"io/fs"

	"errors"

	"github.com/stowage-iac/stowage/agent"
	"github.com/stowage-iac/stowage/api"
)

// teardown removes what the agent made on this host. Without a configuration
// (a node that was prepared but never started) it looks in the usual places.
func teardown(ctx context.Context, args []string) error {
	d := &daemon{}
	f := flags("teardown", &d.paths)
	d.host.flags(f)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	var err error
	if d.node, err = d.paths.node(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if d.node.Containerd == "" {
		d.node.Containerd = api.ContainerdSock
	}
	if d.log, err = logger("warn"); err != nil {
		return err
	}
	return agent.Teardown(ctx, d.options(nil))
}
