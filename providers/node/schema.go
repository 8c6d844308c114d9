// Package node is the kind "node": a host that Stowage turns into a member of the
// cluster over SSH, and gives back as it was.
package node

import (
	"fmt"
	"math/big"
	"regexp"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
)

// Kind implements providers.Kind and providers.Carrier.
type Kind struct{}

// Name is "node".
func (Kind) Name() string { return "node" }

// Schema describes the block.
func (Kind) Schema() *schema.Block { return block }

const replaceHost = "another host is another node"

var factsType = cty.Object(map[string]cty.Type{
	"hostname": cty.String,
	"os":       cty.String,
	"arch":     cty.String,
	"kernel":   cty.String,
	"cpus":     cty.Number,
	"memory":   cty.Number,
})

var block = &schema.Block{
	Doc: "A host reachable by SSH that becomes a node of the cluster: containerd and the agent are installed on it, and removed with it.",
	Attributes: map[string]*schema.Attribute{
		"address": {
			Type: cty.String, Optional: true, Replace: replaceHost, Validate: notEmpty,
			Doc: "Host name, IP address or alias of ~/.ssh/config. Required unless connection = \"local\".",
		},
		"connection": {
			Type: cty.String, Optional: true, Default: cty.StringVal("ssh"), Replace: replaceHost,
			Validate: providers.OneOf("ssh", "local"),
			Doc:      "\"ssh\" (default), or \"local\" for the machine that stowage runs on.",
		},
		"role": {
			Type: cty.String, Optional: true, Computed: true, Replace: "a node keeps its role for life",
			Validate: providers.OneOf(api.RoleManager, api.RoleWorker),
			Doc:      "\"manager\" holds the cluster's state, \"worker\" runs pods only. Default: worker; a lone node is the manager.",
		},
		"schedulable": {
			Type: cty.Bool, Optional: true,
			Doc: "Whether pods may be placed here. Default: true for workers and for a lone node, false for other managers.",
		},
		"labels": {
			Type: cty.Map(cty.String), Optional: true, Doc: "Labels for placement expressions.",
		},
		"facts":   {Type: factsType, Computed: true, Doc: "What the host is: hostname, os, arch, kernel, cpus, memory (bytes)."},
		"version": {Type: cty.String, Computed: true, Doc: "Version of the agent; an apply with another version of stowage installs its own."},
		"ready":   {Type: cty.Bool, Computed: true, Doc: "Whether the agent answers and can run pods."},
	},
	Blocks: map[string]*schema.NestedBlock{
		"taint": {
			Nesting: schema.List, Label: "key",
			Block: schema.Block{
				Doc: "Keeps pods away that do not tolerate it.",
				Attributes: map[string]*schema.Attribute{
					"effect": {
						Type: cty.String, Optional: true, Default: cty.StringVal("no_schedule"),
						Validate: providers.OneOf("no_schedule"), Doc: "\"no_schedule\": pods already there stay.",
					},
				},
			},
		},
		"reserve": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "What pods must leave to the host.",
				Attributes: map[string]*schema.Attribute{
					"cpu":    {Type: cty.String, Optional: true, Validate: providers.ValidCPU, Doc: "For example \"200m\"."},
					"memory": {Type: cty.String, Optional: true, Validate: providers.ValidBytes, Doc: "For example \"256Mi\"."},
				},
			},
		},
		"ssh": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "How to reach the host. Defaults come from ~/.ssh/config, as for the ssh command.",
				Attributes: map[string]*schema.Attribute{
					"user":        {Type: cty.String, Optional: true, Validate: notEmpty, Doc: "Login name; sudo is used where needed."},
					"port":        {Type: cty.Number, Optional: true, Validate: validPort, Doc: "Default 22."},
					"private_key": {Type: cty.String, Optional: true, Validate: notEmpty, Doc: "Path of a private key. Default: the agent, then ~/.ssh/config, then ~/.ssh/id_*."},
					"private_key_wo": {
						Type: cty.String, Optional: true, Sensitive: true, WriteOnly: true, Validate: validPrivateKey,
						Doc: "The private key itself, in PEM, instead of its path. It is recorded nowhere and may be ephemeral.",
					},
					"host_key":    {Type: cty.String, Optional: true, Validate: validHostKey, Doc: "The host's public key, like \"ssh-ed25519 AAAA…\". Default: known_hosts."},
					"known_hosts": {Type: cty.String, Optional: true, Validate: notEmpty, Doc: "Path of a known_hosts file. Default ~/.ssh/known_hosts."},
					"accept_new":  {Type: cty.Bool, Optional: true, Doc: "Pins an unknown host key at the first connection. A changed key is always refused."},
					"jump":        {Type: cty.String, Optional: true, Validate: notEmpty, Doc: "Jump host, [user@]host[:port]; several are separated by commas."},
				},
			},
		},
	},
}

func notEmpty(v cty.Value) error {
	if v.AsString() == "" {
		return fmt.Errorf("it is empty; leave the argument out for its default")
	}
	return nil
}

func validPort(v cty.Value) error {
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact || n < 1 || n > 65535 {
		return fmt.Errorf("%s is not a port; use a whole number from 1 to 65535", v.AsBigFloat().Text('f', -1))
	}
	return nil
}

func validPrivateKey(v cty.Value) error { return ssh.CheckKey(v.AsString()) }

var hostKeyPattern = regexp.MustCompile(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) AAAA[0-9A-Za-z+/=]+`)

func validHostKey(v cty.Value) error {
	if !hostKeyPattern.MatchString(v.AsString()) {
		return fmt.Errorf("it is not a public key; use a line of `ssh-keyscan HOST` without the host name, like \"ssh-ed25519 AAAA…\"")
	}
	return nil
}
