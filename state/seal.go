package state

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// sealedMagic begins what Keyring.Seal makes; the envelope's header (one line of
// JSON) and the sealed bytes follow.
const sealedMagic = "stowage sealed 1\n"

// Seal encrypts plain (a saved plan) to the recipients; aad is authenticated
// with it and must be given to Open again. The result carries its wrapped key.
func (k *Keyring) Seal(plain, aad []byte) ([]byte, error) {
	e, err := k.NewEnvelope()
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(e.header)
	if err != nil {
		return nil, err
	}
	out := append([]byte(sealedMagic), head...)
	out = append(out, '\n')
	return append(out, e.Seal(plain, sealAAD(head, aad))...), nil
}

// IsSealed reports whether data begins as what Seal makes.
func IsSealed(data []byte) bool { return bytes.HasPrefix(data, []byte(sealedMagic)) }

// Open decrypts what Seal made. A missing key is an ErrKey that names the
// recipients and the sources tried; anything else is ErrDamaged.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(sealedMagic))
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin as something that stowage encrypted", ErrDamaged)
	}
	head, body, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%w: it ends in its header", ErrDamaged)
	}
	var h EnvelopeHeader
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, fmt.Errorf("%w: its header: %v", ErrDamaged, err)
	}
	e, err := k.OpenEnvelope(h)
	if err != nil {
		return nil, err
	}
	return e.Open(body, sealAAD(head, aad))
}

func sealAAD(head, aad []byte) []byte {
	out := fmt.Appendf(nil, "stowage sealed %d\n", len(head))
	out = append(out, head...)
	return append(out, aad...)
}
