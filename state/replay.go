package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// journalFile is a parsed journal.
type journalFile struct {
	header  journalHeader
	records []record // after the header
}

// parseJournal checks a journal's lines. A torn end is left out: records that
// were never acknowledged. Anything else that is wrong is ErrDamaged.
func parseJournal(data []byte) (*journalFile, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: the journal has %d bytes, more than the limit of %d", ErrDamaged, len(data), MaxSize)
	}
	var all []record
	rest := data
	for len(rest) > 0 {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		r, err := parseRecord(line)
		if err == nil && r.number != uint64(len(all)) {
			err = fmt.Errorf("record %d where %d should be", r.number, len(all))
		}
		if err != nil || !complete {
			if durable := durableIn(after); durable > uint64(len(all)) {
				return nil, fmt.Errorf("%w: its journal, behind record %d of %d that were on disk: %v",
					ErrDamaged, len(all), durable, err)
			}
			break
		}
		all = append(all, r)
		rest = after
	}
	if len(all) == 0 || all[0].kind != recHeader {
		return nil, fmt.Errorf("%w: its journal has no header", ErrDamaged)
	}
	j := &journalFile{records: all[1:]}
	if err := json.Unmarshal(all[0].body, &j.header); err != nil {
		return nil, fmt.Errorf("%w: its journal's header: %v", ErrDamaged, err)
	}
	if v := j.header.FormatVersion; v > FormatVersion {
		return nil, fmt.Errorf("%w: its journal's format version is %d, this version reads up to %d; upgrade stowage",
			ErrNewer, v, FormatVersion)
	}
	if j.header.FormatVersion < 1 || j.header.ID == "" || j.header.Lineage == "" {
		return nil, fmt.Errorf("%w: its journal's header is incomplete", ErrDamaged)
	}
	return j, nil
}

// durableIn is the number of records that the intact lines in data say were on disk before them.
func durableIn(data []byte) (durable uint64) {
	for line := range bytes.Lines(data) {
		if r, err := parseRecord(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
			durable = max(durable, r.durable)
		}
	}
	return durable
}

// replay applies the journal to the state that it continues.
type replay struct {
	state     *State
	envelope  *Envelope
	keys      *Keyring
	interrupt Interrupted
	underway  map[string]bool
	finished  finished
}

// replayJournal returns the state after the journal, with a map of its own.
func replayJournal(base *State, e *Envelope, j *journalFile, keys *Keyring) (*State, *Envelope, *Interrupted, error) {
	h := j.header
	s := *base
	s.Instances = maps.Clone(base.Instances)
	s.Serial = h.Base + uint64(len(j.records)) + 1 // every record is a write, the header too
	r := &replay{state: &s, envelope: e, keys: keys, underway: map[string]bool{}, finished: newFinished(),
		interrupt: Interrupted{Operation: h.Operation, Plan: h.Plan, Started: h.Started, By: h.Who, PID: h.PID}}
	if h.Encryption != nil {
		if err := r.setEnvelope(*h.Encryption); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, rec := range j.records {
		if err := r.apply(rec, h.ID); err != nil {
			if !errors.Is(err, ErrKey) && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrDamaged) {
				err = fmt.Errorf("%w: its journal: record %d: %w", ErrDamaged, rec.number, err)
			}
			return nil, nil, nil, err
		}
	}
	r.interrupt.Underway = slices.Sorted(maps.Keys(r.underway))
	r.interrupt.Done = r.finished.but(r.underway)
	return r.state, r.envelope, &r.interrupt, nil
}

func (r *replay) setEnvelope(h EnvelopeHeader) error {
	if r.envelope != nil && bytes.Equal(r.envelope.header.Key, h.Key) {
		return nil
	}
	e, err := r.keys.OpenEnvelope(h)
	if err != nil {
		return err
	}
	r.envelope = e
	return nil
}

func (r *replay) apply(rec record, journal string) (err error) {
	if rec.kind == recSealed {
		if rec, err = openRecord(rec, journal, r.envelope); err != nil {
			return err
		}
	}
	switch rec.kind {
	case recKey:
		var h EnvelopeHeader
		if err := json.Unmarshal(rec.body, &h); err != nil {
			return err
		}
		return r.setEnvelope(h)
	case recHashKey:
		return json.Unmarshal(rec.body, &r.state.HashKey)
	case recBegin:
		var b beginBody
		if err := json.Unmarshal(rec.body, &b); err != nil {
			return err
		}
		r.underway[b.Address] = true
	case recCarry:
		address, err := parseString(rec.body)
		if err != nil {
			return err
		}
		r.underway[address] = true
	case recDone:
		i, err := decodeInstance(rec.body)
		if err != nil {
			return err
		}
		r.state.Instances[i.Address] = i
		if i.announced() {
			delete(r.underway, i.Address)
			return nil
		}
		r.finish(i.Address)
	case recMove:
		var m moveBody
		if err := json.Unmarshal(rec.body, &m); err != nil {
			return err
		}
		i, err := decodeInstance(m.To)
		if err != nil {
			return err
		}
		delete(r.state.Instances, m.From)
		r.state.Instances[i.Address] = i
		if r.underway[m.From] {
			delete(r.underway, m.From)
			r.underway[i.Address] = true
		}
	case recGone, recFail:
		address, err := parseString(rec.body)
		if err != nil {
			return err
		}
		if rec.kind == recFail {
			delete(r.underway, address)
			return nil
		}
		delete(r.state.Instances, address)
		r.finish(address)
	case recOutputs:
		r.state.Outputs, err = decodeOutputs(rec.body)
		return err
	case recCluster:
		r.state.ClusterID, err = parseString(rec.body)
		return err
	default:
		return fmt.Errorf("%w: a record of kind %q in the journal; upgrade stowage", ErrNewer, rec.kind)
	}
	return nil
}

func (r *replay) finish(address string) {
	delete(r.underway, address)
	r.finished.add(address)
}
