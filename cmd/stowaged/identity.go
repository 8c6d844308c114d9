package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
)

// identity prints an api.JoinRequest. The same keys give the same request's
// recipient however often it runs.
func identity(_ context.Context, args []string) error {
	var p paths
	var name, role, address string
	f := flags("identity", &p)
	f.StringVar(&name, "name", "", "the node's name")
	f.StringVar(&role, "role", "", "manager or worker; may be left to the signer")
	f.StringVar(&address, "address", "", "the node's address; may be left to the signer")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	req, err := pki.Identify(p.pki(), name, role, address)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(req)
}

// join stores an api.JoinResponse from standard input.
func join(_ context.Context, args []string) error {
	var p paths
	f := flags("join", &p)
	if err := parse(f, args, 0); err != nil {
		return err
	}
	var resp api.JoinResponse
	if err := json.NewDecoder(os.Stdin).Decode(&resp); err != nil {
		return fmt.Errorf("standard input is no answer of a manager: %w", err)
	}
	return pki.Join(p.pki(), resp)
}
