package ssh

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// PassphraseEnv names the environment variable that holds the passphrase of encrypted private keys.
const PassphraseEnv = "STOWAGE_SSH_PASSPHRASE"

// Options are what all connections of a run have in common; the zero value of
// each field means its default.
type Options struct {
	// Passphrase asks for the passphrase of the private key at path. It is asked
	// once per key and run, only for a key that the server accepts, and only when
	// PassphraseEnv is not set. nil: an encrypted key is an ErrPassphrase.
	Passphrase func(ctx context.Context, path string) ([]byte, error)
	// ConnectTimeout bounds the time from the first packet to the end of the key
	// exchange, for each hop; default 10 s.
	ConnectTimeout time.Duration
	// KeepAlive is the interval of the probes on an idle connection; default 4 s.
	// A peer that has sent nothing for three intervals is dead: noticed after 12 to 16 s.
	KeepAlive time.Duration
	// Home is the directory that holds .ssh; default the user's home.
	Home string
	// AgentSocket is the agent's socket; default $SSH_AUTH_SOCK. "none": no agent.
	AgentSocket string
}

func (o Options) withDefaults() Options {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 4 * time.Second
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	if o.AgentSocket == "" {
		o.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	}
	if o.AgentSocket == "none" {
		o.AgentSocket = ""
	}
	return o
}

func (o Options) dotSSH(name string) string { return filepath.Join(o.Home, ".ssh", name) }
