package ssh

import (
	"errors"

	"golang.org/x/crypto/ssh"
)

// Key is a private key in PEM. It prints as what it is, and not what it holds.
type Key string

// String hides the key.
func (k Key) String() string {
	if k == "" {
		return ""
	}
	return "(private key)"
}

// GoString hides the key.
func (k Key) GoString() string { return k.String() }

// CheckKey reports what is wrong with a private key in PEM, without a part of it.
func CheckKey(pem string) error {
	_, err := ssh.ParsePrivateKey([]byte(pem))
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &locked):
		return errors.New("the private key is encrypted with a passphrase; give one that is not, or put it into a file or the agent")
	}
	return errors.New("it is no private key in PEM, like -----BEGIN OPENSSH PRIVATE KEY-----")
}
