package functions

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// digests are the hash functions by name, with their encoding.
var digests = map[string]struct {
	hash   func() hash.Hash
	encode func([]byte) string
}{
	"md5":          {md5.New, hex.EncodeToString},
	"sha1":         {sha1.New, hex.EncodeToString},
	"sha256":       {sha256.New, hex.EncodeToString},
	"sha512":       {sha512.New, hex.EncodeToString},
	"base64sha256": {sha256.New, base64.StdEncoding.EncodeToString},
	"base64sha512": {sha512.New, base64.StdEncoding.EncodeToString},
}

func digest(name string, data []byte) string {
	d := digests[name]
	h := d.hash()
	h.Write(data)
	return d.encode(h.Sum(nil))
}

func hashFunctions() map[string]function.Function {
	table := map[string]function.Function{}
	for name := range digests {
		table[name] = textFunc("text", func(s string) (string, error) {
			return digest(name, []byte(s)), nil
		})
	}
	return table
}

// namespaces of uuidv5 with names, from RFC 4122.
var namespaces = map[string]string{
	"dns":  "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
	"url":  "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
	"oid":  "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
	"x500": "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}

var uuidV5Func = function.New(&function.Spec{
	Params:       []function.Parameter{param("namespace", cty.String), param("name", cty.String)},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		space := args[0].AsString()
		if known, ok := namespaces[space]; ok {
			space = known
		}
		plain := ""
		for i, c := range space {
			if c == '-' && (i == 8 || i == 13 || i == 18 || i == 23) {
				continue
			}
			plain += string(c)
		}
		id, err := hex.DecodeString(plain)
		if err != nil || len(id) != 16 || len(space) != 36 {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "neither dns, url, oid, x500 nor a UUID")
		}
		sum := sha1.Sum(append(id, args[1].AsString()...))
		u := sum[:16]
		u[6] = u[6]&0x0f | 0x50
		u[8] = u[8]&0x3f | 0x80
		return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])), nil
	},
})
