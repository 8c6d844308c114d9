// Package pki is the cluster's certificate authority and the nodes' identities:
// one CA per cluster, made by the first manager; one key, certificate and age
// identity per node. Private keys never leave the host that made them.
//
// Files, below DataDir/pki:
//
//	ca.crt      the CA's certificate           every node
//	ca.key      the CA's key, mode 0600        managers
//	node.key    the node's key, mode 0600      every node
//	node.crt    the node's certificate         every node
//	age.key     the node's age identity, 0600  every node
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// ManagerName is the DNS name in every manager's certificate and in no
// worker's. Whoever connects to a manager checks for it instead of an address,
// which may change or be behind NAT.
const ManagerName = "manager.stowage.internal"

// Validity of certificates. They begin an hour early for clocks that are behind.
const (
	caValidity   = 10 * 365 * 24 * time.Hour
	nodeValidity = 2 * 365 * 24 * time.Hour
	early        = time.Hour
)

// ErrRequest is a signing request that the CA refuses.
var ErrRequest = errors.New("the certificate request is refused")

// Authority is the cluster's CA with its key.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// MakeAuthority makes the cluster's CA in dir unless there is one.
func MakeAuthority(dir Dir, cluster string) (*Authority, error) {
	a, err := LoadAuthority(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "stowage " + cluster, Organization: []string{cluster}},
		NotBefore:             now.Add(-early),
		NotAfter:              now.Add(caValidity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	// The key first: a certificate without its key would be a joined manager's.
	if err := writeKey(dir.CAKey(), key); err != nil {
		return nil, err
	}
	if err := write(dir.CA(), pemCertificate(der), 0o644); err != nil {
		return nil, err
	}
	return LoadAuthority(dir)
}

// LoadAuthority reads the CA; fs.ErrNotExist where its certificate or key is not here.
func LoadAuthority(dir Dir) (*Authority, error) {
	cert, err := readCertificate(dir.CA())
	if err != nil {
		return nil, err
	}
	key, err := readKey(dir.CAKey())
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("pki: %s does not belong to %s: restore both from the same backup", dir.CAKey(), dir.CA())
	}
	return &Authority{cert: cert, key: key}, nil
}

// Request is what a certificate is for.
type Request struct {
	CSR     string // PEM; proves the possession of the key
	Name    string // the node's; must be the CSR's
	Role    string // api.RoleManager or api.RoleWorker; "" means what the CSR says
	Address string // host or IP; "" means what the CSR says
}

// Sign signs a node's key: CN is the node's name, OU its role.
func (a *Authority) Sign(r Request) (*api.JoinResponse, error) {
	csr, err := parseCSR(r.CSR)
	if err != nil {
		return nil, err
	}
	if r.Name == "" || csr.Subject.CommonName != r.Name {
		return nil, fmt.Errorf("%w: it names node %q, the request %q", ErrRequest, csr.Subject.CommonName, r.Name)
	}
	if r.Role == "" && len(csr.Subject.OrganizationalUnit) == 1 {
		r.Role = csr.Subject.OrganizationalUnit[0]
	}
	if r.Role != api.RoleManager && r.Role != api.RoleWorker {
		return nil, fmt.Errorf("%w: role %q is neither %s nor %s", ErrRequest, r.Role, api.RoleManager, api.RoleWorker)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject: pkix.Name{
			CommonName: r.Name, OrganizationalUnit: []string{r.Role}, Organization: a.cert.Subject.Organization,
		},
		NotBefore:   now.Add(-early),
		NotAfter:    now.Add(nodeValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	address(template, csr, r.Address)
	if r.Role == api.RoleManager {
		template.DNSNames = append(template.DNSNames, ManagerName)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, csr.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("pki: signing node.%s: %w", r.Name, err)
	}
	return &api.JoinResponse{Certificate: string(pemCertificate(der)), CA: string(pemCertificate(a.cert.Raw))}, nil
}

// address puts the node's address into the certificate. A name that only
// managers may have is never taken from a request.
func address(template *x509.Certificate, csr *x509.CertificateRequest, explicit string) {
	if explicit == "" {
		template.IPAddresses = csr.IPAddresses
		for _, name := range csr.DNSNames {
			if name != ManagerName {
				template.DNSNames = append(template.DNSNames, name)
			}
		}
		return
	}
	if ip := net.ParseIP(explicit); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else if explicit != ManagerName {
		template.DNSNames = []string{explicit}
	}
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail on a supported system
	}
	return n
}

// exists reports whether a file is there.
func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
