// Package ssh reaches hosts: connections with verified host keys, commands with
// sudo where needed, files, and sockets forwarded through one multiplexed
// connection per host. The local connection implements the same contract for
// the machine that the CLI runs on. Package bootstrap (below) turns a reached
// host into a node.
package ssh

import (
	"context"
	"io"
	"io/fs"
	"net"
)

// Host is a reached host. Safe for concurrent use. Every method runs with root's
// rights: as root, or with `sudo -n`. An error names the host and the cause.
type Host interface {
	// Name is the node's name, for messages.
	Name() string
	// Run runs a shell command (sh -c) to its end. A command that ends with a
	// status other than 0 is an *ExitError that carries its output.
	Run(ctx context.Context, cmd Command) (Output, error)
	// Put writes a file atomically (temporary name, fsync, rename) with mode,
	// owned by root, creating parent directories. size is -1 when unknown.
	Put(ctx context.Context, path string, mode fs.FileMode, size int64, content io.Reader) error
	// Dial connects to a unix socket on the host. Where the login user is not root
	// or the server forbids forwarding, it goes through `sudo -n stowaged dial-stdio PATH`.
	Dial(ctx context.Context, socket string) (net.Conn, error)
	Close() error
}

// Command is a shell command.
type Command struct {
	Script string
	Stdin  io.Reader
	// Stdout, when set, receives standard output as it comes instead of Output.Stdout.
	Stdout io.Writer
	// Env is set by prefixing assignments: never put a secret there.
	Env map[string]string
}

// Output is what a command printed.
type Output struct {
	Stdout, Stderr string
}

// Config says how to reach a host; the zero value of each field means its default.
type Config struct {
	Name       string // the node's name
	Local      bool   // connection = "local"
	Address    string // host, or an alias of ~/.ssh/config
	User       string // default: ~/.ssh/config, then the current user
	Port       int    // default: ~/.ssh/config, then 22
	PrivateKey string // path; default: agent, then ~/.ssh/config, then ~/.ssh/id_*
	Key        Key    // the private key itself; before PrivateKey
	HostKey    string // "ssh-ed25519 AAAA…"; default: known_hosts
	AcceptNew  bool   // pin an unknown key on first use, in known_hosts
	Jump       string // [user@]host[:port], comma-separated for several; default: ~/.ssh/config
	// KnownHosts is the known_hosts file; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHosts string
}
