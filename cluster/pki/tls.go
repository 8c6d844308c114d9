package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Peer is who is at the other end of a mutual-TLS connection.
type Peer struct {
	Name string // the node's
	Role string
}

// PeerOf reads the verified certificate of a connection.
func PeerOf(state *tls.ConnectionState) (Peer, error) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return Peer{}, errors.New("pki: the connection has no verified certificate")
	}
	subject := state.VerifiedChains[0][0].Subject
	if subject.CommonName == "" || len(subject.OrganizationalUnit) != 1 {
		return Peer{}, errors.New("pki: the certificate names no node and role")
	}
	return Peer{Name: subject.CommonName, Role: subject.OrganizationalUnit[0]}, nil
}

// ServerConfig is for a manager's port: clients need a certificate of the CA.
func ServerConfig(dir Dir) (*tls.Config, error) {
	pool, err := roots(dir)
	if err != nil {
		return nil, err
	}
	current := &keyPair{dir: dir}
	if _, err := current.get(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		NextProtos: []string{"h2"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current.get()
		},
	}, nil
}

// ClientConfig is for a node's connection to a manager, whatever its address.
func ClientConfig(dir Dir) (*tls.Config, error) {
	pool, err := roots(dir)
	if err != nil {
		return nil, err
	}
	current := &keyPair{dir: dir}
	if _, err := current.get(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool,
		ServerName: ManagerName,
		NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return current.get()
		},
	}, nil
}

// RenewDue reports whether less than a third of the node certificate's life is
// left, or its role is another than role.
func RenewDue(dir Dir, role string, now time.Time) (bool, error) {
	cert, err := readCertificate(dir.Cert())
	if err != nil {
		return false, err
	}
	left := cert.NotAfter.Sub(now)
	other := len(cert.Subject.OrganizationalUnit) != 1 || cert.Subject.OrganizationalUnit[0] != role
	return left < cert.NotAfter.Sub(cert.NotBefore)/3 || other && role == api.RoleManager, nil
}

func roots(dir Dir) (*x509.CertPool, error) {
	b, err := os.ReadFile(dir.CA())
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("pki: %s is damaged: no certificate in it", dir.CA())
	}
	return pool, nil
}

// keyPair reads the node's certificate again when its file changed.
type keyPair struct {
	dir Dir

	mu      sync.Mutex
	changed time.Time
	pair    *tls.Certificate
}

func (k *keyPair) get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.dir.Cert())
	if err == nil && k.pair != nil && info.ModTime().Equal(k.changed) {
		return k.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(k.dir.Cert(), k.dir.Key())
	}
	switch {
	case err == nil:
		k.pair, k.changed = &pair, info.ModTime()
	case k.pair == nil:
		return nil, fmt.Errorf("pki: %w", err)
	}
	return k.pair, nil
}
