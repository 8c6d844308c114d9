package functions

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

var (
	base64EncodeFunc = textFunc("text", func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
	base64DecodeFunc = textFunc("text", func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", errors.New("the text is not valid Base64")
		}
		if !utf8.Valid(b) {
			return "", errors.New("the decoded bytes are not UTF-8 text: use textdecodebase64 for another encoding")
		}
		return string(b), nil
	})
	base64GzipFunc = textFunc("text", func(s string) (string, error) {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		if _, err := w.Write([]byte(s)); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
	})
	base64GunzipFunc = textFunc("text", func(s string) (string, error) {
		packed, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", errors.New("the text is not valid Base64")
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return "", errors.New("what the Base64 text holds is not gzip")
		}
		b, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
		switch {
		case err != nil:
			return "", errors.New("the gzip data is damaged")
		case len(b) > MaxFileSize:
			return "", errors.New("the gzip data holds more than 64 MiB")
		case !utf8.Valid(b):
			return "", errors.New("the unpacked bytes are not UTF-8 text")
		}
		return string(b), nil
	})
	textEncodeFunc = encodingFunc("text", func(e encoding.Encoding, name, s string) (string, error) {
		out, err := e.NewEncoder().String(s)
		if err != nil {
			return "", function.NewArgErrorf(0, "the text has characters that %s cannot write", name)
		}
		return base64.StdEncoding.EncodeToString([]byte(out)), nil
	})
	textDecodeFunc = encodingFunc("source", func(e encoding.Encoding, name, s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", function.NewArgErrorf(0, "the text is not valid Base64")
		}
		out, err := e.NewDecoder().Bytes(b)
		if err != nil || bytes.ContainsRune(out, utf8.RuneError) {
			return "", function.NewArgErrorf(0, "the bytes are not a text in %s", name)
		}
		return string(out), nil
	})
)

// encodingFunc is a function from a text and the IANA name of a character encoding to a text.
func encodingFunc(name string, impl func(e encoding.Encoding, name, s string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{param(name, cty.String), param("encoding", cty.String)},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := cty.UnknownVal(cty.String)
			e, err := ianaindex.IANA.Encoding(args[1].AsString())
			if err != nil || e == nil {
				return unknown, function.NewArgErrorf(1, "%q is not the IANA name of a character encoding that is known, such as UTF-16LE or ISO-8859-1", args[1].AsString())
			}
			canonical, err := ianaindex.IANA.Name(e)
			if err != nil {
				canonical = args[1].AsString()
			}
			out, err := impl(e, canonical, args[0].AsString())
			if err != nil {
				return unknown, err
			}
			return cty.StringVal(out), nil
		},
	})
}
