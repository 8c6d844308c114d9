package age

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Keyset is what a file may be decrypted with.
type Keyset struct {
	Identities []age.Identity
	Tried      []string // where they come from, and where none was
}

// Keys are the identities of a file or, without one, those that open the state.
func Keys(address, baseDir, identityFile string, outside providers.Outside) (Keyset, hcl.Diagnostics) {
	if identityFile != "" {
		ids, err := readIdentities(data.Locate(baseDir, identityFile))
		if err != nil {
			return Keyset{}, providers.ErrorAt(cty.GetAttrPath("identity_file"), "Key not readable", fmt.Sprintf(
				"The keys of %s in %q cannot be read: %s.", address, identityFile, err))
		}
		return Keyset{ids, []string{identityFile}}, nil
	}
	if outside == nil {
		return Keyset{}, nil
	}
	ids, tried, err := outside.Identities()
	if err != nil {
		return Keyset{}, providers.Errorf("Key not readable", fmt.Sprintf("The keys for %s cannot be read: %s.", address, err))
	}
	return Keyset{ids, tried}, nil
}

// maxKeyFile bounds a file of identities.
const maxKeyFile = 1 << 20

func readIdentities(path string) ([]age.Identity, error) {
	b, _, err := data.ReadFile(context.Background(), path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil { // the parser's message may quote the key
		return nil, errors.New("it does not hold age identities (AGE-SECRET-KEY-1…)")
	}
	return ids, nil
}

// ReadFile decrypts a file. The error is a clause about the file.
func ReadFile(ctx context.Context, path string, keys Keyset) ([]byte, error) {
	b, _, err := data.ReadFile(ctx, path, data.MaxBytes)
	if err != nil {
		return nil, err
	}
	return Decrypt(b, keys)
}

// Decrypt decrypts what age wrote, armored or not; at most data.MaxBytes.
func Decrypt(b []byte, keys Keyset) ([]byte, error) {
	if len(keys.Identities) == 0 {
		return nil, fmt.Errorf("it is encrypted, and there is no key in %s; set STOWAGE_AGE_KEY_FILE, or identity_file", keys.places())
	}
	src := io.Reader(bytes.NewReader(b))
	if trimmed := bytes.TrimLeft(b, " \t\r\n"); bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		src = armor.NewReader(bufio.NewReader(bytes.NewReader(trimmed)))
	} else if !bytes.HasPrefix(b, []byte("age-encryption.org/")) {
		return nil, errors.New("it is not encrypted with age: it does not begin as such a file does")
	}
	r, err := age.Decrypt(src, keys.Identities...)
	var no *age.NoIdentityMatchError
	switch {
	case errors.As(err, &no):
		return nil, fmt.Errorf("it is encrypted to other keys than those in %s", keys.places())
	case err != nil:
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, data.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is damaged: %w", err)
	case len(plain) > data.MaxBytes:
		return nil, fmt.Errorf("it holds more than %d MiB", data.MaxBytes>>20)
	}
	return plain, nil
}

func (k Keyset) places() string {
	if len(k.Tried) == 0 {
		return "reach"
	}
	return strings.Join(k.Tried, ", ")
}
