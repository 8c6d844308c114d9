package http

import (
	"fmt"
	"net/url"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "http".
func Schema() *schema.Block {
	text := func(value, doc string) *schema.Attribute {
		a := &schema.Attribute{Type: cty.String, Optional: true, Doc: doc}
		if value != "" {
			a.Default = cty.StringVal(value)
		}
		return a
	}
	address := func(required bool, doc string) *schema.Attribute {
		return &schema.Attribute{Type: cty.String, Required: required, Optional: !required, Doc: doc,
			Validate: func(v cty.Value) error { return checkAddress(v.AsString()) }}
	}
	duration := func(value, doc string) *schema.Attribute {
		a := text(value, doc)
		a.Validate = func(v cty.Value) error {
			if d, err := time.ParseDuration(v.AsString()); err != nil || d < 0 {
				return fmt.Errorf("%q is not a duration like 1s", v.AsString())
			}
			return nil
		}
		return a
	}
	secret := func(doc, env string) *schema.Attribute {
		a := text("", doc)
		a.Sensitive, a.Later = true, "Set the environment variable "+env+" instead."
		return a
	}
	return &schema.Block{
		Doc: "Keeps the state at a URL, by Terraform's http protocol (GitLab and others speak it). The journal of a running apply stays on the machine that applies.",
		Attributes: map[string]*schema.Attribute{
			"address":                   address(true, "The state's URL: GET reads it, update_method writes it."),
			"update_method":             text("POST", "The method that writes."),
			"lock_address":              address(true, "The lock's URL."),
			"lock_method":               text("LOCK", "The method that locks."),
			"unlock_address":            address(false, "The URL to unlock at; default lock_address."),
			"unlock_method":             text("UNLOCK", "The method that unlocks."),
			"username":                  text("", "For basic authentication; default STOWAGE_HTTP_USERNAME."),
			"password":                  secret("For basic authentication; from the environment only.", "STOWAGE_HTTP_PASSWORD"),
			"skip_cert_verification":    {Type: cty.Bool, Optional: true, Default: cty.False, Doc: "Take any certificate of the server: for tests only."},
			"client_ca_certificate_pem": text("", "PEM of the CAs that the server's certificate is checked by; default those of the system."),
			"client_certificate_pem":    text("", "PEM of a client certificate."),
			"client_private_key_pem":    secret("PEM of the client certificate's key; from the environment only.", "STOWAGE_HTTP_CLIENT_PRIVATE_KEY_PEM"),
			"retry_max": {Type: cty.Number, Optional: true, Default: cty.NumberIntVal(2), Doc: "How often a request is sent again after an answer of 500 or more, or none.",
				Validate: func(v cty.Value) error {
					if n, _ := v.AsBigFloat().Int64(); n < 0 || n > 100 || !v.AsBigFloat().IsInt() {
						return fmt.Errorf("it is a whole number from 0 to 100")
					}
					return nil
				}},
			"retry_wait_min": duration("1s", "The first pause before a request is sent again; it doubles."),
			"retry_wait_max": duration("30s", "The longest pause."),
		},
	}
}

func checkAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is not a URL like https://states.example.com/web", text)
	case u.User != nil:
		return fmt.Errorf("the URL of %s holds a user; set username and the environment variable STOWAGE_HTTP_PASSWORD", u.Host)
	}
	return nil
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	text := func(name, variable string) string {
		if v := arguments.GetAttr(name); !v.IsNull() {
			return v.AsString()
		}
		if variable == "" {
			return ""
		}
		return env.Getenv(variable)
	}
	duration := func(name string) time.Duration {
		d, _ := time.ParseDuration(text(name, "")) // checked by the schema
		return d
	}
	retries, _ := arguments.GetAttr("retry_max").AsBigFloat().Int64()
	o := Options{
		Address: text("address", ""), UpdateMethod: text("update_method", ""),
		LockAddress: text("lock_address", ""), LockMethod: text("lock_method", ""),
		UnlockAddress: text("unlock_address", ""), UnlockMethod: text("unlock_method", ""),
		Username: text("username", "STOWAGE_HTTP_USERNAME"), Password: env.Getenv("STOWAGE_HTTP_PASSWORD"),
		Insecure: arguments.GetAttr("skip_cert_verification").True(), CA: text("client_ca_certificate_pem", ""),
		Cert: text("client_certificate_pem", ""), Key: env.Getenv("STOWAGE_HTTP_CLIENT_PRIVATE_KEY_PEM"),
		Retries: int(retries), RetryMin: duration("retry_wait_min"), RetryMax: duration("retry_wait_max"), Dir: env.Dir,
	}
	if o.UnlockAddress == "" {
		o.UnlockAddress = o.LockAddress
	}
	return New(o)
}
