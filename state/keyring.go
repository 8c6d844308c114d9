package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
)

// The environment variables that hold keys.
const (
	envKey        = "STOWAGE_AGE_KEY"
	envKeyFile    = "STOWAGE_AGE_KEY_FILE"
	envPassphrase = "STOWAGE_PASSPHRASE"
)

// Keyring finds the keys that encrypt states and saved plans. Safe for concurrent use.
//
// Identities, all that are found are tried: STOWAGE_AGE_KEY (an age identity),
// STOWAGE_AGE_KEY_FILE (a path), the configured identity files, the per-user key
// file $XDG_CONFIG_HOME/stowage/key.txt, the fallback's identity files; for what a
// passphrase encrypted STOWAGE_PASSPHRASE, then the fallback's. What a fallback
// opened is encrypted anew at the next write. Recipients, the first of: those of the configuration, those
// of STOWAGE_AGE_KEY, those of STOWAGE_AGE_KEY_FILE, those of the first configured
// identity file that is there, STOWAGE_PASSPHRASE, the per-user key file, which is made at the first need.
type Keyring struct {
	o  KeyOptions
	mu sync.Mutex // one goroutine makes the key file
}

// KeyOptions of NewKeyring.
type KeyOptions struct {
	Recipients []string // age1…, from stowage { encryption { recipients } }
	Identities []string // paths of identity files; those that are not there are left out
	// PassphraseEnv names the variable that holds the passphrase; default STOWAGE_PASSPHRASE.
	PassphraseEnv string
	// Enforced asks for encryption whether anything is sensitive or not; Recipients do that, too.
	Enforced bool
	// Fallback are keys that are tried for reading when no other fits, e.g. while keys are changed.
	Fallback Fallback
	Getenv   func(string) string // default os.Getenv
	// Notice receives a sentence for the user, e.g. that a key was made and should be backed up. May be nil.
	Notice func(string)
}

// Fallback are further keys, for reading only.
type Fallback struct {
	Identities    []string // paths of identity files; those that are not there are left out
	PassphraseEnv string   // the variable that holds an earlier passphrase
}

// NewKeyring makes a keyring; keys are looked for when one is needed.
func NewKeyring(o KeyOptions) *Keyring {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.PassphraseEnv == "" {
		o.PassphraseEnv = envPassphrase
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return &Keyring{o: o}
}

// Always reports whether the configuration asks for encryption, sensitive values or not.
func (k *Keyring) Always() bool { return k.o.Enforced || len(k.o.Recipients) > 0 }

// source is a place where identities may be.
type source struct {
	name       string
	identities []age.Identity
	state      string // why there is none: not set, absent
	user       bool   // the per-user key file, which is made when nothing else is there
}

// sources reads every place, most specific first.
func (k *Keyring) sources() ([]source, error) {
	env, err := k.envSource()
	if err != nil {
		return nil, err
	}
	file, err := k.envFileSource()
	if err != nil {
		return nil, err
	}
	all := []source{env, file}
	more, err := fileSources(k.o.Identities)
	if err != nil {
		return nil, err
	}
	user, err := k.userSource()
	if err != nil {
		return nil, err
	}
	return append(append(all, more...), user), nil
}

// fileSources are the identity files at paths; ~ is the user's home.
func fileSources(paths []string) ([]source, error) {
	var all []source
	for _, p := range paths {
		s := source{name: p, state: "absent"}
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			if home, err := os.UserHomeDir(); err == nil {
				p = filepath.Join(home, rest)
			}
		}
		ids, err := readIdentities(p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		s.identities = ids
		all = append(all, s)
	}
	return all, nil
}

func (k *Keyring) envSource() (source, error) {
	s := source{name: envKey, state: "not set"}
	text := k.o.Getenv(envKey)
	if text == "" {
		return s, nil
	}
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		// The parser's message may quote the key.
		return s, fmt.Errorf("%w: %s does not hold an age identity (AGE-SECRET-KEY-1…)", ErrKey, envKey)
	}
	s.identities = ids
	return s, nil
}

func (k *Keyring) envFileSource() (source, error) {
	path := k.o.Getenv(envKeyFile)
	if path == "" {
		return source{name: envKeyFile, state: "not set"}, nil
	}
	s := source{name: envKeyFile + " (" + path + ")"}
	ids, err := readIdentities(path)
	if err != nil {
		return s, fmt.Errorf("%w: %s: %w", ErrKey, envKeyFile, err)
	}
	s.identities = ids
	return s, nil
}

func (k *Keyring) userSource() (source, error) {
	path, err := k.userKeyFile()
	if err != nil {
		return source{name: "the per-user key file", state: "no home directory", user: true}, nil
	}
	s := source{name: path, state: "absent", user: true}
	ids, err := readIdentities(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrKey, err)
	}
	s.identities = ids
	return s, nil
}

func readIdentities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	defer f.Close()
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("the key file %s does not hold age identities (AGE-SECRET-KEY-1…)", path)
	}
	return ids, nil
}

// attempt is a key that is tried on an envelope.
type attempt struct {
	identities []age.Identity
	fallback   bool
}

// attempts are what can open an envelope, in the order of trying, and what was looked at.
func (k *Keyring) attempts(passphrase bool) (all []attempt, tried []string, err error) {
	if passphrase {
		for n, name := range []string{k.o.PassphraseEnv, k.o.Fallback.PassphraseEnv} {
			text := ""
			if name != "" {
				text = k.o.Getenv(name)
			}
			if text == "" {
				if name != "" {
					tried = append(tried, name+" (not set)")
				}
				continue
			}
			id, err := age.NewScryptIdentity(text)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %s: %w", ErrKey, name, err)
			}
			id.SetMaxWorkFactor(scryptMaxWork)
			all, tried = append(all, attempt{[]age.Identity{id}, n > 0}), append(tried, name)
		}
		return all, tried, nil
	}
	sources, err := k.sources()
	if err != nil {
		return nil, nil, err
	}
	further, err := fileSources(k.o.Fallback.Identities)
	if err != nil {
		return nil, nil, err
	}
	for n, list := range [][]source{sources, further} {
		a := attempt{fallback: n > 0}
		for _, s := range list {
			name := s.name
			if len(s.identities) == 0 {
				name += " (" + s.state + ")"
			}
			tried = append(tried, name)
			a.identities = append(a.identities, s.identities...)
		}
		if len(a.identities) > 0 {
			all = append(all, a)
		}
	}
	return all, tried, nil
}

// recipients are those that new data is encrypted to, with their names.
func (k *Keyring) recipients() ([]age.Recipient, []string, error) {
	if len(k.o.Recipients) > 0 {
		return k.configured()
	}
	sources, err := k.sources()
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sources {
		if len(s.identities) > 0 && !s.user {
			return recipientsOf(s)
		}
	}
	if text := k.o.Getenv(k.o.PassphraseEnv); text != "" {
		r, err := age.NewScryptRecipient(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %s: %w", ErrKey, k.o.PassphraseEnv, err)
		}
		return []age.Recipient{r}, []string{passphraseRecipient}, nil
	}
	user, err := k.userKey()
	if err != nil {
		return nil, nil, err
	}
	return recipientsOf(user)
}

// configured are the configuration's recipients. One of them must be ours: else
// the next run could not read what this one writes.
func (k *Keyring) configured() ([]age.Recipient, []string, error) {
	names := slices.Clone(k.o.Recipients)
	slices.Sort(names)
	names = slices.Compact(names)
	recipients, err := age.ParseRecipients(strings.NewReader(strings.Join(names, "\n")))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: encryption recipients %s: %w", ErrKey, quoteList(names), err)
	}
	sources, err := k.sources()
	if err != nil {
		return nil, nil, err
	}
	var tried []string
	for _, s := range sources {
		tried = append(tried, s.name)
		_, own, err := recipientsOf(s)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range own {
			if slices.Contains(names, name) {
				return recipients, names, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("%w: none in %s belongs to the configured recipients %s, so the next run could not "+
		"read what this one writes; add your recipient, or set %s", ErrKey, strings.Join(tried, ", "), quoteList(names), envKey)
}

func recipientsOf(s source) ([]age.Recipient, []string, error) {
	var rs []age.Recipient
	var names []string
	for _, id := range s.identities {
		switch id := id.(type) {
		case *age.X25519Identity:
			rs, names = append(rs, id.Recipient()), append(names, id.Recipient().String())
		case *age.HybridIdentity:
			rs, names = append(rs, id.Recipient()), append(names, id.Recipient().String())
		default:
			return nil, nil, fmt.Errorf("%w: %s holds an identity of a kind that stowage cannot encrypt to", ErrKey, s.name)
		}
	}
	return rs, names, nil
}

// changed reports whether the configuration names other recipients than those of h.
func (k *Keyring) changed(h EnvelopeHeader) bool {
	if len(k.o.Recipients) == 0 {
		return false
	}
	want, have := slices.Clone(k.o.Recipients), slices.Clone(h.Recipients)
	slices.Sort(want)
	slices.Sort(have)
	return !slices.Equal(slices.Compact(want), slices.Compact(have))
}

func (k *Keyring) userKeyFile() (string, error) {
	dir := k.o.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := k.o.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "stowage", "key.txt"), nil
}

func keyError(recipients, tried []string) error {
	return fmt.Errorf("%w: it is encrypted to %s, and no key for that was found in %s",
		ErrKey, quoteList(recipients), strings.Join(tried, ", "))
}

func quoteList(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// identities are those of all attempts, the fallback's last.
func (k *Keyring) identities(passphrase bool) (ids []age.Identity, tried []string, err error) {
	all, tried, err := k.attempts(passphrase)
	for _, a := range all {
		ids = append(ids, a.identities...)
	}
	return ids, tried, err
}

// Identities are all that are found, that of the passphrase included, for reading
// what others encrypted to them. tried names every place that was looked at.
func (k *Keyring) Identities() (ids []age.Identity, tried []string, err error) {
	if ids, tried, err = k.identities(false); err != nil {
		return nil, nil, err
	}
	more, where, err := k.identities(true)
	if err != nil {
		return nil, nil, err
	}
	return append(ids, more...), append(tried, where...), nil
}
