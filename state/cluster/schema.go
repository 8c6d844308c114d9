package cluster

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "cluster".
func Schema() *schema.Block {
	text := func(doc string) *schema.Attribute {
		return &schema.Attribute{Type: cty.String, Optional: true, Doc: doc}
	}
	name := text("The state's name in the cluster, where several configurations share it.")
	name.Default = cty.StringVal("default")
	return &schema.Block{
		Doc: "Keeps the state in the cluster's own store, on its managers, through SSH. Before there is a manager, and after the last one was destroyed, it is in .stowage on this machine.",
		Attributes: map[string]*schema.Attribute{
			"hosts": {Type: cty.List(cty.String), Required: true, Validate: checkHosts,
				Doc: "The managers, as [user@]host[:port] or names of ~/.ssh/config, tried in turn; \"local\" is this machine."},
			"name":        name,
			"private_key": text("Path of the SSH key; default the agent, then ~/.ssh/config."),
			"host_key":    text("The host's key, e.g. \"ssh-ed25519 AAAA…\", where there is one host; default known_hosts."),
			"known_hosts": text("Path of a known_hosts file; default ~/.ssh/known_hosts."),
			"accept_new":  {Type: cty.Bool, Optional: true, Default: cty.False, Doc: "Take the host's key on first use, and keep it in known_hosts."},
			"jump":        text("Hosts to go through: [user@]host[:port], separated by commas."),
		},
	}
}

func checkHosts(v cty.Value) error {
	if v.LengthInt() == 0 {
		return fmt.Errorf("it needs at least one host")
	}
	for _, e := range v.AsValueSlice() {
		if _, err := parseHost(e.AsString()); err != nil {
			return err
		}
	}
	return nil
}

// parseHost takes [user@]host[:port] apart.
func parseHost(text string) (c ssh.Config, err error) {
	if text == "local" {
		return ssh.Config{Name: "local", Local: true}, nil
	}
	c.Name = text
	rest := text
	if user, after, ok := strings.Cut(text, "@"); ok {
		c.User, rest = user, after
	}
	c.Address = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return c, fmt.Errorf("%q is not [user@]host[:port]: the port is a number from 1 to 65535", text)
		}
		c.Address, c.Port = host, int(n)
	}
	if c.Address == "" || strings.ContainsAny(c.Address, " /@") {
		return c, fmt.Errorf("%q is not [user@]host[:port]", text)
	}
	return c, nil
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	text := func(name string) string {
		if v := arguments.GetAttr(name); !v.IsNull() {
			return v.AsString()
		}
		return ""
	}
	o := Options{Name: text("name"), Dir: env.Dir}
	for _, e := range arguments.GetAttr("hosts").AsValueSlice() {
		c, err := parseHost(e.AsString())
		if err != nil {
			return nil, fmt.Errorf("backend \"cluster\": hosts: %w", err)
		}
		c.PrivateKey, c.HostKey, c.KnownHosts, c.Jump = text("private_key"), text("host_key"), text("known_hosts"), text("jump")
		c.AcceptNew = arguments.GetAttr("accept_new").True()
		o.Hosts = append(o.Hosts, c)
	}
	return New(o), nil
}
