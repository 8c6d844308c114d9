package functions

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/crypto/ssh"
)

var rsaDecryptFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("ciphertext", cty.String), param("private_key", cty.String)},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.String)
		b, err := base64.StdEncoding.DecodeString(args[0].AsString())
		if err != nil {
			return unknown, function.NewArgErrorf(0, "the text is not valid Base64")
		}
		raw, err := ssh.ParseRawPrivateKey([]byte(args[1].AsString()))
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked):
			return unknown, function.NewArgErrorf(1, "the private key has a passphrase; remove it: ssh-keygen -p -f FILE")
		case err != nil:
			return unknown, function.NewArgErrorf(1, "not a private key in PEM")
		}
		key, ok := raw.(*rsa.PrivateKey)
		if !ok {
			return unknown, function.NewArgErrorf(1, "not an RSA key")
		}
		//lint:ignore SA1019 what was encrypted for Terraform's function of this name is in this format
		out, err := rsa.DecryptPKCS1v15(nil, key, b)
		if err != nil {
			return unknown, function.NewArgErrorf(0, "it was not encrypted for this key, or not by RSA PKCS #1 v1.5")
		}
		return cty.StringVal(string(out)), nil
	},
})
