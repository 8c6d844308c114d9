package etcd

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "etcd".
func Schema() *schema.Block {
	text := func(doc string) *schema.Attribute {
		return &schema.Attribute{Type: cty.String, Optional: true, Doc: doc}
	}
	password := text("Of the etcd user; from the environment only.")
	password.Sensitive, password.Later = true, "Set the environment variable ETCD_PASSWORD instead."
	return &schema.Block{
		Doc: "Keeps the state below a prefix of an etcd cluster. The lock is a lease.",
		Attributes: map[string]*schema.Attribute{
			"endpoints": {Type: cty.List(cty.String), Required: true, Validate: checkEndpoints,
				Doc: "The members' client URLs, e.g. [\"https://10.0.0.5:2379\"]."},
			"prefix": {Type: cty.String, Required: true,
				Doc: "Where in etcd; each state needs its own, e.g. \"stowage/web/${context.name}\"."},
			"username":    text("The etcd user; default ETCD_USERNAME, else none."),
			"password":    password,
			"cacert_path": text("A PEM file of CAs for https; default those of the system."),
			"cert_path":   text("A PEM file with a client certificate."),
			"key_path":    text("A PEM file with the client certificate's key."),
		},
	}
}

func checkEndpoints(v cty.Value) error {
	if v.LengthInt() == 0 {
		return fmt.Errorf("it needs at least one URL")
	}
	scheme := ""
	for _, e := range v.AsValueSlice() {
		u, err := url.Parse(e.AsString())
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%q is not a URL like https://10.0.0.5:2379", e.AsString())
		}
		if u.User != nil {
			return fmt.Errorf("the URL of %s holds a user; set username and the environment variable ETCD_PASSWORD", u.Host)
		}
		if scheme != "" && scheme != u.Scheme {
			return fmt.Errorf("either all or none are https")
		}
		scheme = u.Scheme
	}
	return nil
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	text := func(name string) string {
		if v := arguments.GetAttr(name); !v.IsNull() {
			return v.AsString()
		}
		return ""
	}
	path := func(name string) string {
		if p := text(name); p != "" {
			return env.Path(p)
		}
		return ""
	}
	o := Options{
		Prefix: strings.Trim(text("prefix"), "/") + "/", Username: text("username"), Password: env.Getenv("ETCD_PASSWORD"),
		CA: path("cacert_path"), Cert: path("cert_path"), Key: path("key_path"),
	}
	if o.Username == "" {
		o.Username = env.Getenv("ETCD_USERNAME")
	}
	for _, e := range arguments.GetAttr("endpoints").AsValueSlice() {
		o.Endpoints = append(o.Endpoints, e.AsString())
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, fmt.Errorf("backend \"etcd\" needs cert_path and key_path together, or neither")
	}
	if o.Username != "" && o.Password == "" {
		return nil, fmt.Errorf("backend \"etcd\": there is a username and no password; set the environment variable ETCD_PASSWORD")
	}
	return New(o), nil
}
