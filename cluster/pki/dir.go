package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is the directory of a node's keys and certificates.
type Dir string

func (d Dir) file(name string) string { return filepath.Join(string(d), name) }

// CA, CAKey, Cert, Key and Age are the files in it.
func (d Dir) CA() string    { return d.file("ca.crt") }
func (d Dir) CAKey() string { return d.file("ca.key") }
func (d Dir) Cert() string  { return d.file("node.crt") }
func (d Dir) Key() string   { return d.file("node.key") }
func (d Dir) Age() string   { return d.file("age.key") }

// Joined reports whether the node has a certificate.
func (d Dir) Joined() bool { return exists(d.Cert()) && exists(d.CA()) && exists(d.Key()) }

// Foreign reports whether the node joined a cluster whose CA was made elsewhere.
func (d Dir) Foreign() bool { return exists(d.CA()) && !exists(d.CAKey()) }

// write replaces a file atomically and durably.
func write(file string, content []byte, mode fs.FileMode) error {
	if err := writeFile(file, content, mode); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

func writeFile(file string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return write(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("pki: %s is damaged: no PEM", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("pki: %s is damaged: %w", file, err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("pki: %s holds a %T, not an ECDSA key", file, k)
	}
	return key, nil
}

func readCertificate(file string) (*x509.Certificate, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return parseCertificate(b, file)
}

func parseCertificate(b []byte, what string) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("pki: %s is no PEM block CERTIFICATE", what)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("pki: %s is damaged: %w", what, err)
	}
	return cert, nil
}

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
