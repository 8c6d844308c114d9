package state

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
)

// Journal records an operation's finished steps. Every method that records
// returns when the record is durable; records of many goroutines share one
// flush. After an error of the disk every later call returns it too. Safe for
// concurrent use.
type Journal struct {
	locked *Locked
	header journalHeader
	log    Log

	mu       sync.Mutex
	flushed  sync.Cond // a flush ended
	state    *State
	envelope *Envelope // nil as long as nothing is sensitive
	next     uint64    // number of the next record
	durable  uint64    // records on disk
	pending  []byte    // encoded, not yet handed to log
	flushing bool
	err      error
	underway map[string]bool
	carried  map[string]bool // under way since an earlier operation
	finished finished
	partial  bool // see Operation
	failed   bool
	stopped  bool // see Stop
}

func newJournal(l *Locked, s *State, h journalHeader) *Journal {
	j := &Journal{locked: l, header: h, state: s, underway: map[string]bool{}, carried: map[string]bool{}, finished: newFinished()}
	j.flushed.L = &j.mu
	return j
}

// start writes the header, and what an interrupted operation left under way.
func (j *Journal) start(ctx context.Context, e *Envelope, in *Interrupted) error {
	if e != nil {
		h := e.Header()
		j.header.Encryption = &h
	}
	head, err := json.Marshal(j.header)
	if err != nil {
		return err
	}
	j.add(recHeader, head)
	j.envelope = e
	if e != nil {
		j.addHashKey()
	}
	if in != nil {
		for _, address := range in.Underway {
			j.carried[address] = true
			j.add(recCarry, jsonString(address))
		}
	}
	j.log, err = j.locked.session.StartJournal(ctx, j.pending)
	j.pending, j.durable = nil, j.next
	return err
}

// add encodes a record behind the pending ones. j.mu is held.
func (j *Journal) add(kind recordKind, body []byte) {
	r := record{number: j.next, durable: j.durable, kind: kind, body: body}
	if j.envelope != nil && kind != recKey {
		r = sealRecord(r, j.header.ID, j.envelope)
	}
	j.pending = appendRecord(j.pending, r)
	j.next++
	j.state.Serial = j.header.Base + j.next
}

func (j *Journal) addHashKey() {
	body, err := json.Marshal(j.state.HashKey)
	if err != nil { // bytes always are JSON
		panic(err)
	}
	j.add(recHashKey, body)
}

// encrypt makes sure that what follows is encrypted. j.mu is held.
func (j *Journal) encrypt() error {
	if j.envelope != nil {
		return nil
	}
	e, err := j.locked.store.o.Keys.NewEnvelope()
	if err != nil {
		return err
	}
	head, err := json.Marshal(e.Header())
	if err != nil {
		return err
	}
	j.add(recKey, head)
	j.envelope = e
	j.addHashKey()
	return nil
}

// record adds one record and returns when it is on disk. change is made to the
// state whether or not the disk takes the record: Close may still save it.
func (j *Journal) record(kind recordKind, body []byte, sensitive bool, change func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	if j.err != nil {
		return j.err
	}
	if sensitive {
		if err := j.encrypt(); err != nil {
			return err
		}
	}
	j.add(kind, body)
	return j.flush(j.next)
}

// flush returns when the first n records are on disk. Whoever finds nobody
// flushing writes what all have pending. j.mu is held.
func (j *Journal) flush(n uint64) error {
	for j.err == nil && j.durable < n {
		if j.flushing {
			j.flushed.Wait()
			continue
		}
		j.flushing = true
		j.mu.Unlock()
		runtime.Gosched() // whoever the last flush woke may add a record first
		j.mu.Lock()
		batch, upTo := j.pending, j.next
		j.pending = nil
		j.mu.Unlock()
		err := j.log.Append(batch)
		j.mu.Lock()
		j.flushing = false
		if err != nil {
			j.err = fmt.Errorf("the journal of the state %s: %w", j.locked.store.backend.Location(), err)
		} else {
			j.durable = upTo
		}
		j.flushed.Broadcast()
	}
	if j.durable >= n {
		return nil
	}
	return j.err
}

// Begin says that an action on address starts: until Done or Fail it is under way.
func (j *Journal) Begin(address, action string) error {
	body := append(appendString([]byte(`{"address":`), address), `,"action":`...)
	body = append(appendString(body, action), '}')
	return j.record(recBegin, body, false, func() { j.underway[address] = true })
}

// Done records the result of address: the new instance, or nil when it is gone.
func (j *Journal) Done(address string, result *Instance) error {
	if result == nil {
		return j.record(recGone, jsonString(address), false, func() {
			delete(j.state.Instances, address)
			j.settle(address)
			j.finished.add(address)
		})
	}
	if err := checkInstance(result); err != nil {
		return err
	}
	if result.Address != address {
		return fmt.Errorf("the result of %s has the address %s", address, result.Address)
	}
	return j.record(recDone, appendInstance(nil, result), len(result.Sensitive) > 0, func() {
		j.state.Instances[address] = result
		j.settle(address)
		if !result.announced() {
			j.finished.add(address)
		}
	})
}

// Move records that an instance has another address: what was recorded under from is
// recorded as result, in one record.
func (j *Journal) Move(from string, result *Instance) error {
	if err := checkInstance(result); err != nil {
		return err
	}
	if result.Address == from {
		return fmt.Errorf("%s is moved to its own address", from)
	}
	body := append(appendString([]byte(`{"from":`), from), `,"to":`...)
	body = append(appendInstance(body, result), '}')
	return j.record(recMove, body, len(result.Sensitive) > 0, func() {
		delete(j.state.Instances, from)
		j.state.Instances[result.Address] = result
		for _, set := range []map[string]bool{j.underway, j.carried} {
			if set[from] {
				delete(set, from)
				set[result.Address] = true
			}
		}
	})
}

// Fail says that the action on address ended without a result; what is recorded of it stays.
func (j *Journal) Fail(address string) error {
	return j.record(recFail, jsonString(address), false, func() {
		j.failed = true
		j.settle(address)
	})
}

func (j *Journal) settle(address string) {
	delete(j.underway, address)
	delete(j.carried, address)
}

// SetOutputs records all output values.
func (j *Journal) SetOutputs(outputs map[string]*Output) error {
	body, err := json.Marshal(outputs)
	if err != nil {
		return fmt.Errorf("encode the outputs: %w", err)
	}
	outputs = maps.Clone(outputs)
	return j.record(recOutputs, body, sensitiveOutput(outputs), func() { j.state.Outputs = outputs })
}

// SetClusterID records the cluster's ID.
func (j *Journal) SetClusterID(id string) error {
	return j.record(recCluster, jsonString(id), false, func() { j.state.ClusterID = id })
}

// State is a copy of the state with everything recorded so far. Its instances are shared.
func (j *Journal) State() *State {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := *j.state
	s.Instances = maps.Clone(s.Instances)
	s.Outputs = maps.Clone(s.Outputs)
	return &s
}

// Close ends the operation: the snapshot is written, then the journal removed.
// It is called after failed steps, too, once nothing runs any more; steps that
// are still under way then stay known as such. What an earlier, interrupted
// operation left under way counts as settled if this one had no failures and was
// not partial. A crash within Close loses nothing. When Close fails, the journal stays.
func (j *Journal) Close(ctx context.Context) (*State, error) {
	j.mu.Lock()
	err := j.flush(j.next) // a full disk here may still have room for the snapshot
	s, e, underway := j.state, j.envelope, j.leftUnderway()
	j.mu.Unlock()
	var in *Interrupted
	if len(underway) > 0 || j.stopped {
		in = &Interrupted{Operation: j.header.Operation, Plan: j.header.Plan, Started: j.header.Started,
			By: j.header.Who, PID: j.header.PID, Done: j.finished.but(j.underway), Underway: underway}
	}
	base := &Loaded{envelope: e, stored: j.header.Base}
	if replaceErr := j.locked.replace(ctx, base, s, in, j.header.ID); replaceErr != nil {
		if err == nil {
			err = replaceErr
		}
		return nil, j.locked.store.explain(err)
	}
	j.log.Close()
	if err := j.locked.session.DropJournal(ctx); err != nil {
		return nil, j.locked.store.explain(err)
	}
	return j.State(), nil
}

// Stop says that the operation ends before its end, as it was interrupted: the next Load
// tells of it even if nothing is under way.
func (j *Journal) Stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
}

// leftUnderway are the addresses that a next operation must still know about.
func (j *Journal) leftUnderway() []string {
	left := maps.Clone(j.underway)
	if j.failed || j.partial || j.stopped || len(left) > 0 {
		maps.Copy(left, j.carried)
	}
	return slices.Sorted(maps.Keys(left))
}

// Leave closes the journal without ending the operation, as a crash would: the
// next Load tells of it.
func (j *Journal) Leave() error { return j.log.Close() }
