// Package child is what the processes that crashtest kills are told in their environment.
package child

import (
	"context"
	"net"
	"strconv"

	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/cluster"
	"github.com/stowage-iac/stowage/state/registry"
)

// The variables of the environment.
const (
	Type       = "STOWAGE_TEST_BACKEND"
	Arguments  = "STOWAGE_TEST_ARGUMENTS" // JSON
	Dir        = "STOWAGE_TEST_DIR"
	Socket     = "STOWAGE_TEST_SOCKET"     // of a manager that keeps the state: backend "cluster" without SSH
	Applies    = "STOWAGE_TEST_APPLIES"    // how many are made; 0: no end
	Concurrent = "STOWAGE_TEST_CONCURRENT" // so many pods are recorded at once; 0: a few, one after the other
	Rekey      = "STOWAGE_TEST_REKEY"      // 1: each apply is followed by a rotation of the keys
	Evacuate   = "STOWAGE_TEST_EVACUATE"   // 1: the state leaves the cluster, and comes back when the lock is given back
)

// Number reads a variable that is a number; 0 when it is not set.
func Number(getenv func(string) string, name string) int {
	n, _ := strconv.Atoi(getenv(name))
	return n
}

// Open opens the backend that an environment names.
func Open(getenv func(string) string) (state.Backend, error) {
	if socket := getenv(Socket); socket != "" {
		return cluster.New(cluster.Options{Hosts: []ssh.Config{{Name: "m"}}, Name: "crash", Dir: getenv(Dir), Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}}), nil
	}
	arguments, err := registry.Decode(getenv(Type), []byte(getenv(Arguments)))
	if err != nil {
		return nil, err
	}
	return registry.Open(getenv(Type), arguments, state.Env{Getenv: getenv, Dir: getenv(Dir)})
}
