package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/api"
)

// Identify makes what is missing of a node's key and age identity in dir and
// returns the request to join. role and address may be "".
func Identify(dir Dir, name, role, address string) (*api.JoinRequest, error) {
	if name == "" {
		return nil, errors.New("pki: the node's name is missing")
	}
	key, err := nodeKey(dir)
	if err != nil {
		return nil, err
	}
	id, err := ageIdentity(dir)
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}
	if role != "" {
		template.Subject.OrganizationalUnit = []string{role}
	}
	if ip := net.ParseIP(address); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else if address != "" {
		template.DNSNames = []string{address}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("pki: a request for node.%s: %w", name, err)
	}
	return &api.JoinRequest{
		Name: name, Role: role, Address: address,
		CSR:       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
		Recipient: id.Recipient().String(),
	}, nil
}

// Join stores the manager's answer. The certificate must be for the node's key
// and from the CA that came with it; another cluster's CA is refused.
func Join(dir Dir, r api.JoinResponse) error {
	cert, err := parseCertificate([]byte(r.Certificate), "the certificate")
	if err != nil {
		return err
	}
	ca, err := parseCertificate([]byte(r.CA), "the CA's certificate")
	if err != nil {
		return err
	}
	key, err := readKey(dir.Key())
	if err != nil {
		return err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return fmt.Errorf("pki: the certificate is not for the key in %s; run stowaged identity again and sign its request", dir.Key())
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return fmt.Errorf("pki: the certificate is not from the CA that came with it: %w", err)
	}
	if was, err := readCertificate(dir.CA()); err == nil && !was.Equal(ca) {
		return fmt.Errorf("pki: this node belongs to another cluster (%s); destroy it there first", was.Subject.CommonName)
	}
	if err := write(dir.CA(), []byte(r.CA), 0o644); err != nil {
		return err
	}
	return write(dir.Cert(), []byte(r.Certificate), 0o644)
}

// AgeIdentity reads the node's age identity, with which it opens its secrets.
func AgeIdentity(dir Dir) (*age.X25519Identity, error) {
	b, err := os.ReadFile(dir.Age())
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("pki: %s is damaged: %w; restore it, or remove it, run stowaged identity and apply again", dir.Age(), err)
	}
	return id, nil
}

func ageIdentity(dir Dir) (*age.X25519Identity, error) {
	id, err := AgeIdentity(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if id, err = age.GenerateX25519Identity(); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return id, write(dir.Age(), []byte(id.String()+"\n"), 0o600)
}

func nodeKey(dir Dir) (*ecdsa.PrivateKey, error) {
	key, err := readKey(dir.Key())
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return key, writeKey(dir.Key(), key)
}

func parseCSR(text string) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: it is not one PEM block CERTIFICATE REQUEST", ErrRequest)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if _, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok {
		return nil, fmt.Errorf("%w: its key is %T; an ECDSA key is needed", ErrRequest, csr.PublicKey)
	}
	return csr, nil
}
