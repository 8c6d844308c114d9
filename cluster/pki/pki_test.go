package pki

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

func authority(t testing.TB) *Authority {
	t.Helper()
	a, err := MakeAuthority(Dir(t.TempDir()), "c1")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// join makes a node's keys and has them signed.
func join(t testing.TB, a *Authority, name, role string) Dir {
	t.Helper()
	dir := Dir(t.TempDir())
	req, err := Identify(dir, name, role, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.Sign(Request{CSR: req.CSR, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := Join(dir, *resp); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAuthorityIsMadeOnce: a second start finds the first one's.
func TestAuthorityIsMadeOnce(t *testing.T) {
	dir := Dir(t.TempDir())
	first, err := MakeAuthority(dir, "c1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := MakeAuthority(dir, "c1")
	if err != nil || !again.cert.Equal(first.cert) {
		t.Errorf("made anew: %v", err)
	}
	if info, err := os.Stat(dir.CAKey()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	if left := time.Until(first.cert.NotAfter); left < 9*365*24*time.Hour || time.Since(first.cert.NotBefore) < time.Hour {
		t.Errorf("valid from %v to %v", first.cert.NotBefore, first.cert.NotAfter)
	}
	// A crash between the two files: the key alone is replaced.
	if err := os.Remove(dir.CA()); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeAuthority(dir, "c1"); err != nil {
		t.Errorf("after a crash: %v", err)
	}
	os.WriteFile(dir.CA(), []byte("x"), 0o600)
	if _, err := MakeAuthority(dir, "c1"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged CA was replaced: %v", err)
	}
}

// TestWhoIsWho: both ends of a connection know each other's name and role; a
// worker cannot pass for a manager.
func TestWhoIsWho(t *testing.T) {
	a := authority(t)
	manager, worker := join(t, a, "m", api.RoleManager), join(t, a, `w["x"]`, api.RoleWorker)
	peer, err := connect(t, manager, worker)
	if err != nil || peer != (Peer{Name: `w["x"]`, Role: api.RoleWorker}) {
		t.Errorf("the manager sees %+v, %v", peer, err)
	}
	if _, err := connect(t, worker, manager); err == nil || !strings.Contains(err.Error(), ManagerName) {
		t.Errorf("a worker served as a manager: %v", err)
	}
	other := join(t, authority(t), "m", api.RoleManager)
	if _, err := connect(t, other, worker); err == nil {
		t.Error("another cluster's manager was trusted")
	}
}

// connect makes a connection and returns whom the server sees.
func connect(t *testing.T, server, client Dir) (peer Peer, err error) {
	t.Helper()
	sc, err := ServerConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	cc, err := ClientConfig(client)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	seen := make(chan Peer, 1)
	go func() {
		defer far.Close()
		s := tls.Server(far, sc)
		if s.Handshake() != nil {
			seen <- Peer{}
			return
		}
		state := s.ConnectionState()
		p, _ := PeerOf(&state)
		seen <- p
	}()
	c := tls.Client(near, cc)
	err = c.Handshake()
	near.Close()
	return <-seen, err
}

// TestSignRefuses: what a request may not say.
func TestSignRefuses(t *testing.T) {
	a := authority(t)
	req, err := Identify(Dir(t.TempDir()), "w", "", "")
	if err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]Request{
		"no CSR":       {Name: "w", Role: api.RoleWorker},
		"garbage":      {CSR: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", Name: "w", Role: api.RoleWorker},
		"another name": {CSR: req.CSR, Name: "v", Role: api.RoleWorker},
		"no role":      {CSR: req.CSR, Name: "w"},
		"odd role":     {CSR: req.CSR, Name: "w", Role: "admin"},
		"trailing":     {CSR: req.CSR + "x", Name: "w", Role: api.RoleWorker},
	} {
		if _, err := a.Sign(r); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// TestManagerNameIsNotForWorkers: neither by the request nor by an address.
func TestManagerNameIsNotForWorkers(t *testing.T) {
	a := authority(t)
	dir := Dir(t.TempDir())
	key, err := nodeKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "w"}, DNSNames: []string{ManagerName},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	for _, address := range []string{"", ManagerName} {
		resp, err := a.Sign(Request{CSR: csr, Name: "w", Role: api.RoleWorker, Address: address})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := parseCertificate([]byte(resp.Certificate), "it")
		if err != nil {
			t.Fatal(err)
		}
		if cert.VerifyHostname(ManagerName) == nil {
			t.Errorf("a worker with address %q passes for a manager", address)
		}
	}
}

// TestJoinRefuses: an answer that is not for this node, or from another cluster.
func TestJoinRefuses(t *testing.T) {
	a := authority(t)
	dir := join(t, a, "w", api.RoleWorker)
	stranger, err := Identify(Dir(t.TempDir()), "w", api.RoleWorker, "")
	if err != nil {
		t.Fatal(err)
	}
	mine, err := Identify(dir, "w", api.RoleWorker, "")
	if err != nil {
		t.Fatal(err)
	}
	sign := func(a *Authority, csr string) api.JoinResponse {
		t.Helper()
		resp, err := a.Sign(Request{CSR: csr, Name: "w"})
		if err != nil {
			t.Fatal(err)
		}
		return *resp
	}
	mixed := sign(a, mine.CSR)
	mixed.CA = sign(authority(t), mine.CSR).CA
	for what, c := range map[string]struct {
		resp api.JoinResponse
		why  string
	}{
		"another's key":     {sign(a, stranger.CSR), "not for the key"},
		"another cluster":   {sign(authority(t), mine.CSR), "belongs to another cluster"},
		"another CA beside": {mixed, "not from the CA"},
		"nothing":           {api.JoinResponse{}, "no PEM block"},
	} {
		if err := Join(dir, c.resp); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error %v, want %q", what, err, c.why)
		}
	}
}

// FuzzSign: whatever comes as a request is signed or refused.
func FuzzSign(f *testing.F) {
	a := authority(f)
	req, err := Identify(Dir(f.TempDir()), "w", api.RoleWorker, "10.0.0.1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(req.CSR, "w")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, csr, name string) {
		resp, err := a.Sign(Request{CSR: csr, Name: name, Role: api.RoleWorker})
		if (resp == nil) == (err == nil) {
			t.Errorf("answer %v, error %v", resp, err)
		}
	})
}
