package ssh

import (
	"errors"
	"fmt"
	"strings"
)

// Causes that a caller can tell apart with errors.Is. Every error that wraps one
// of them names the host, the cause and what to do.
var (
	// ErrUnreachable: no connection to the address (refused, timed out, no route, no such name).
	ErrUnreachable = errors.New("host unreachable")
	// ErrUnknownHostKey: the host's key is in no known_hosts file and nothing pins it.
	ErrUnknownHostKey = errors.New("unknown host key")
	// ErrHostKeyChanged: the host showed another key than the known or pinned one, or a revoked one.
	ErrHostKeyChanged = errors.New("host key changed")
	// ErrAuth: the host accepted none of the keys.
	ErrAuth = errors.New("authentication failed")
	// ErrPassphrase: a private key is encrypted and its passphrase is missing or wrong.
	ErrPassphrase = errors.New("passphrase needed")
	// ErrNoSudo: the user is not root and sudo is missing or asks for a password.
	ErrNoSudo = errors.New("no root rights")
	// ErrConnectionLost: the connection ended while a command ran, which may or may not have finished.
	ErrConnectionLost = errors.New("connection lost")
	// ErrNoSpace: the host's disk is full.
	ErrNoSpace = errors.New("no space left on device")
	// ErrNoSocket: nothing listens on the socket.
	ErrNoSocket = errors.New("nothing listens on the socket")
	// ErrClosed: the Host was used after Close.
	ErrClosed = errors.New("connection closed")
)

// ExitError is a command that ended with a status other than 0.
type ExitError struct {
	Host   string
	Script string
	Status int // -1: ended by a signal or by the connection
	Output Output
}

// Error names the host, the status and the last line of what the command said.
func (e *ExitError) Error() string {
	said := lastLine(e.Output.Stderr)
	if said == "" {
		said = lastLine(e.Output.Stdout)
	}
	if said == "" {
		said = "it said nothing"
	}
	return fmt.Sprintf("%s: command ended with status %d: %s", e.Host, e.Status, said)
}

// Is makes a failed command match ErrNoSpace when that is what it complained about.
func (e *ExitError) Is(target error) bool {
	return target == ErrNoSpace && strings.Contains(e.Output.Stderr, "No space left on device")
}

func lastLine(s string) string {
	end := len(s)
	for end > 0 && (s[end-1] == '\n' || s[end-1] == ' ') {
		end--
	}
	start := end
	for start > 0 && s[start-1] != '\n' {
		start--
	}
	return s[start:end]
}
