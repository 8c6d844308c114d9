package planner

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// Sentinels of Open, for errors.Is.
var (
	ErrNoPlan      = errors.New("this is not a saved plan")
	ErrPlanVersion = errors.New("the plan was saved by another version of stowage")
	ErrContext     = errors.New("the plan is for another context")
	ErrLineage     = errors.New("the plan is for another state")
)

// maxPlanEntries bounds the entries of a saved plan; OpenOptions.MaxBytes is the other bound.
const maxPlanEntries = 100_000

// OpenOptions of Open.
type OpenOptions struct {
	Kinds map[string]providers.Kind
	Keys  *state.Keyring
	// Context, when not "", is the only one that is accepted.
	Context string
	// Lineage, when not "", is the only one that is accepted.
	Lineage string
	// MaxBytes bounds all entries together after decompression, so that a plan from
	// elsewhere cannot fill the memory; default 1 GiB.
	MaxBytes int64
}

// Saved is an opened plan with what it was made from.
type Saved struct {
	Plan *Plan
	// Files are the configuration and what its functions read: lang.Options.Files.
	Files map[string][]byte
	// Inputs are the variables that were given, but for those in Ephemeral, which are
	// kept nowhere: an apply needs them again.
	Inputs    lang.Inputs
	Ephemeral []string
	Sealed    bool // it was encrypted
}

// Open reads a saved plan of size bytes. It refuses other format versions,
// contexts and lineages (ErrPlanVersion, ErrContext, ErrLineage), and what Save
// cannot have written (ErrNoPlan). Whether the plan still holds is for CheckStale.
func Open(r io.ReaderAt, size int64, o OpenOptions) (*Saved, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	outer, err := openZip(r, size, &bound{max: o.MaxBytes, left: o.MaxBytes})
	if err != nil {
		return nil, err
	}
	head, m, err := outer.meta()
	if err != nil {
		return nil, err
	}
	if err := m.accept(o); err != nil {
		return nil, err
	}
	if m.Sealed {
		if outer, err = outer.unseal(head, o.Keys); err != nil {
			return nil, err
		}
	}
	s, err := outer.saved(newKinds(o.Kinds))
	if err != nil {
		return nil, err
	}
	s.Plan.Context, s.Plan.Protected, s.Plan.Lineage, s.Plan.Serial, s.Sealed = m.Context, m.Protected, m.Lineage, m.Serial, m.Sealed
	return s, nil
}

// ContextOf is the context of a saved plan of size bytes, which never is encrypted;
// "" where none was declared.
func ContextOf(r io.ReaderAt, size int64) (string, error) {
	z, err := openZip(r, size, &bound{max: maxMeta, left: maxMeta})
	if err != nil {
		return "", err
	}
	_, m, err := z.meta()
	return m.Context, err
}

// maxMeta bounds meta.json for ContextOf, bytes.
const maxMeta = 1 << 20

func (z archive) meta() (head []byte, m meta, err error) {
	if head, err = z.read(metaFile); err != nil {
		return nil, m, err
	}
	if err := json.Unmarshal(head, &m); err != nil {
		return nil, m, fmt.Errorf("%w: %s: %v", ErrNoPlan, metaFile, err)
	}
	return head, m, nil
}

func (m meta) accept(o OpenOptions) error {
	switch {
	case m.FormatVersion != FormatVersion:
		return fmt.Errorf("%w: it has the format %d, saved by stowage %s, and this version reads the format %d; plan again, or apply it with that version",
			ErrPlanVersion, m.FormatVersion, m.StowageVersion, FormatVersion)
	case o.Context != "" && m.Context != o.Context:
		return fmt.Errorf("%w: it was made for %q, and the current context is %q", ErrContext, m.Context, o.Context)
	case o.Lineage != "" && m.Lineage != o.Lineage:
		return fmt.Errorf("%w: it was made from the lineage %s, and this state has %s", ErrLineage, m.Lineage, o.Lineage)
	}
	return nil
}

// archive is a zip file whose entries are bounded together.
type archive struct {
	files map[string]*zip.File
	bound *bound
}

// bound is what may still be decompressed, in bytes.
type bound struct{ max, left int64 }

func (b *bound) exceeded() error {
	return fmt.Errorf("%w: it holds more than %d MiB", ErrNoPlan, b.max>>20)
}

// An entry that claims more than bombSize bytes, and more than bombRatio for each
// that it has packed, is no plan: JSON of a hundred thousand equal pods has 60.
const (
	bombSize  = 16 << 20
	bombRatio = 400
)

func openZip(r io.ReaderAt, size int64, b *bound) (archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return archive{}, fmt.Errorf("%w: %v", ErrNoPlan, err)
	}
	if len(z.File) > maxPlanEntries {
		return archive{}, fmt.Errorf("%w: it has %d entries and at most %d are read", ErrNoPlan, len(z.File), maxPlanEntries)
	}
	a := archive{files: make(map[string]*zip.File, len(z.File)), bound: b}
	for _, f := range z.File {
		if a.files[f.Name] != nil {
			return archive{}, fmt.Errorf("%w: it has two entries %q", ErrNoPlan, f.Name)
		}
		a.files[f.Name] = f
	}
	return a, nil
}

// read decompresses an entry, however large it says it is, up to what is left.
func (a archive) read(name string) ([]byte, error) {
	f := a.files[name]
	if f == nil {
		return nil, fmt.Errorf("%w: it has no entry %q", ErrNoPlan, name)
	}
	// The size that it claims is believed only to refuse it; it is checked while reading.
	size, packed := f.UncompressedSize64, f.CompressedSize64
	switch {
	case size > uint64(a.bound.left):
		return nil, a.bound.exceeded()
	case size > bombSize && size/bombRatio > packed:
		return nil, fmt.Errorf("%w: %s would be %d times as large as it is packed, which no plan is", ErrNoPlan, name, size/max(packed, 1))
	}
	rc, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNoPlan, name, err)
	}
	defer rc.Close()
	b := bytes.NewBuffer(make([]byte, 0, min(size, bombRatio*packed+bombSize)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(rc, a.bound.left+1)); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNoPlan, name, err)
	}
	if a.bound.left -= int64(b.Len()); a.bound.left < 0 {
		return nil, a.bound.exceeded()
	}
	return b.Bytes(), nil
}

func (a archive) unseal(head []byte, keys *state.Keyring) (archive, error) {
	box, err := a.read(sealedFile)
	if err != nil {
		return a, err
	}
	if keys == nil {
		return a, fmt.Errorf("the plan is encrypted: %w", state.ErrKey)
	}
	plain, err := keys.Open(box, head)
	if err != nil {
		return a, fmt.Errorf("the plan is encrypted: %w", err)
	}
	return openZip(bytes.NewReader(plain), int64(len(plain)), a.bound)
}

func (a archive) saved(kinds map[string]*kindInfo) (*Saved, error) {
	body, err := a.read(planFile)
	if err != nil {
		return nil, err
	}
	var j planJSON
	if err := json.Unmarshal(body, &j); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNoPlan, planFile, err)
	}
	s := &Saved{Files: map[string][]byte{}, Ephemeral: j.Ephemeral}
	if s.Plan, err = j.toPlan(kinds); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrNoPlan, planFile, err)
	}
	if s.Inputs, err = a.variables(); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(a.files) {
		if file, ok := strings.CutPrefix(name, sourcesDir); ok {
			if s.Files[file], err = a.read(name); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (a archive) variables() (lang.Inputs, error) {
	in := lang.Inputs{Variables: map[string]lang.Input{}}
	body, err := a.read(variablesFile)
	if err != nil {
		return in, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return in, fmt.Errorf("%w: %s: %v", ErrNoPlan, variablesFile, err)
	}
	for name, r := range raw {
		v, err := numbers.FromJSON(r, cty.DynamicPseudoType)
		if err != nil {
			return in, fmt.Errorf("%w: the variable %q: %v", ErrNoPlan, name, err)
		}
		in.Variables[name] = lang.Input{Value: v, Source: "the saved plan"}
	}
	return in, nil
}

// Prepare gives a state that is not stored yet what the plan was made with: its
// lineage, and the key of its hashes where the state has none of its own. It must
// come between loading the state and beginning the journal.
func (p *Plan) Prepare(l *state.Loaded) {
	if !l.Exists && p.Serial == l.State.Serial {
		l.State.Lineage = p.Lineage
	}
	if !l.Encrypted && len(p.hashKey) > 0 {
		l.State.HashKey = p.hashKey
	}
}
