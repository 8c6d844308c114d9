package state

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"

	"filippo.io/age"
)

const (
	cipherName = "AES-256-GCM"
	// passphraseRecipient stands for a passphrase in EnvelopeHeader.Recipients.
	passphraseRecipient = "passphrase"
	// scryptMaxWork bounds the time that a hostile header can cost: 2^20, about 4 s.
	scryptMaxWork = 20
)

// EnvelopeHeader goes in clear beside what an Envelope sealed.
type EnvelopeHeader struct {
	Cipher     string   `json:"cipher"`     // AES-256-GCM
	Recipients []string `json:"recipients"` // age1…, or "passphrase"
	Key        []byte   `json:"key"`        // the data key, encrypted with age to the recipients
}

// Envelope seals and opens with one random data key: microseconds a message, up
// to 2^32 messages. Safe for concurrent use.
type Envelope struct {
	header   EnvelopeHeader
	aead     cipher.AEAD
	fallback bool // opened by a key that is for reading only

	mu     sync.Mutex
	random *bufio.Reader // nonces: a call of the kernel for each takes longer than to seal
}

// Header is what OpenEnvelope needs later.
func (e *Envelope) Header() EnvelopeHeader { return e.header }

// Seal encrypts plain and authenticates aad with it. The result is a random
// 96-bit nonce, the ciphertext and the tag: 28 bytes more than plain.
func (e *Envelope) Seal(plain, aad []byte) []byte {
	size := e.aead.NonceSize()
	out := make([]byte, size, size+len(plain)+e.aead.Overhead())
	e.mu.Lock()
	io.ReadFull(e.random, out) // crypto/rand never fails
	e.mu.Unlock()
	return e.aead.Seal(out, out, plain, aad)
}

// Open reverses Seal; an error is ErrDamaged.
func (e *Envelope) Open(sealed, aad []byte) ([]byte, error) {
	size := e.aead.NonceSize()
	if len(sealed) < size {
		return nil, fmt.Errorf("%w: what is encrypted is cut off", ErrDamaged)
	}
	plain, err := e.aead.Open(nil, sealed[:size], sealed[size:], aad)
	if err != nil {
		return nil, fmt.Errorf("%w: what is encrypted does not match its key and header", ErrDamaged)
	}
	return plain, nil
}

func newEnvelope(h EnvelopeHeader, key []byte) (*Envelope, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: the data key has %d bytes", ErrDamaged, len(key))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Envelope{header: h, aead: aead, random: bufio.NewReader(rand.Reader)}, nil
}

// NewEnvelope makes an envelope with a fresh data key for the present recipients.
func (k *Keyring) NewEnvelope() (*Envelope, error) {
	recipients, names, err := k.recipients()
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key)
	var wrapped bytes.Buffer
	w, err := age.Encrypt(&wrapped, recipients...)
	if err != nil {
		return nil, fmt.Errorf("wrap the data key for %s: %w", quoteList(names), err)
	}
	if _, err := w.Write(key); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return newEnvelope(EnvelopeHeader{Cipher: cipherName, Recipients: names, Key: wrapped.Bytes()}, key)
}

// OpenEnvelope unwraps the data key with the identities at hand. Without a
// fitting one the error is ErrKey, naming the recipients and the sources tried.
func (k *Keyring) OpenEnvelope(h EnvelopeHeader) (*Envelope, error) {
	if h.Cipher != cipherName {
		return nil, fmt.Errorf("%w: it is encrypted with %q, this version knows %s", ErrNewer, h.Cipher, cipherName)
	}
	attempts, tried, err := k.attempts(slices.Contains(h.Recipients, passphraseRecipient))
	if err != nil {
		return nil, err
	}
	if len(attempts) == 0 {
		return nil, keyError(h.Recipients, tried)
	}
	var r io.Reader
	var by attempt
	for _, by = range attempts {
		if r, err = age.Decrypt(bytes.NewReader(h.Key), by.identities...); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", keyError(h.Recipients, tried), err)
	}
	key, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		return nil, fmt.Errorf("%w: the wrapped data key: %v", ErrDamaged, err)
	}
	e, err := newEnvelope(h, key)
	if err == nil {
		e.fallback = by.fallback
	}
	return e, err
}
