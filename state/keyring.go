package state

// Keyring finds the keys that encrypt states and saved plans. Safe for concurrent use.
//
// Identities, all that are found are tried: STOWAGE_AGE_KEY (an age identity),
// STOWAGE_AGE_KEY_FILE, the per-user key file. Recipients, the first of: those of
// the configuration, those of STOWAGE_AGE_KEY, those of STOWAGE_AGE_KEY_FILE,
// STOWAGE_PASSPHRASE, the per-user key file, which is made at the first need.
type Keyring struct{}

// KeyOptions of NewKeyring.
type KeyOptions struct {
	Recipients []string            // age1…, from stowage { encryption { recipients } }
	Getenv     func(string) string // default os.Getenv
	// Notice receives a sentence for the user, e.g. that a key was made and should be backed up. May be nil.
	Notice func(string)
}

// NewKeyring makes a keyring; keys are looked for when one is needed.
func NewKeyring(o KeyOptions) *Keyring { return nil }

// Seal encrypts plain (a saved plan) to the recipients; aad is authenticated
// with it and must be given to Open again. The result carries its wrapped key.
func (k *Keyring) Seal(plain, aad []byte) ([]byte, error) { return nil, nil }

// Open decrypts what Seal made. A missing key is an ErrKey that names the
// recipients and the sources tried; anything else is ErrDamaged.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) { return nil, nil }
