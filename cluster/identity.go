package cluster

import (
	"errors"
	"io/fs"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
)

// Identity makes what a manager needs to prove who it is: at the first start of
// the first manager the CA, then its own certificate where that is missing or
// due for renewal. It returns nil where the CA's key is on other managers only.
func Identity(dir pki.Dir, config api.NodeConfig) (*pki.Authority, error) {
	if dir.Foreign() {
		return nil, joined(dir)
	}
	authority, err := pki.MakeAuthority(dir, config.Cluster)
	if err != nil {
		return nil, err
	}
	due, err := pki.RenewDue(dir, config.Role, time.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && !due {
		return authority, nil
	}
	return authority, selfSign(dir, authority, config)
}

func joined(dir pki.Dir) error {
	if !dir.Joined() {
		return errors.New("this manager has another's CA but no certificate: run stowaged identity, have a manager sign its request, and stowaged join")
	}
	return nil
}

func selfSign(dir pki.Dir, authority *pki.Authority, config api.NodeConfig) error {
	req, err := pki.Identify(dir, config.Name, config.Role, config.Address)
	if err != nil {
		return err
	}
	resp, err := authority.Sign(pki.Request{CSR: req.CSR, Name: config.Name, Role: config.Role, Address: config.Address})
	if err != nil {
		return err
	}
	return pki.Join(dir, *resp)
}
