package state

import (
	"testing"
)

// fuzzKeys opens nothing: what is fuzzed is the parsing around it.
func fuzzKeys() *Keyring { return NewKeyring(KeyOptions{Getenv: func(string) string { return "" }}) }

func fuzzState() *State {
	s := New()
	s.Serial = 3
	s.Instances["pod.a"] = &Instance{Address: "pod.a", Kind: "pod", Value: []byte(`{"a":"b"}`), Deps: []string{`pod.b["x"]`}}
	s.Outputs["o"] = &Output{Value: []byte("1"), Type: []byte(`"number"`)}
	return s
}

// Whatever the file holds, it is read or refused, and what is read can be written and read again.
func FuzzSnapshot(f *testing.F) {
	seed, err := encodeSnapshot(fuzzState(), nil, "j", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		decodeSnapshot(data, fuzzKeys())
		s := &State{}
		if _, err := decodePayload(data, s); err != nil {
			return
		}
		s.Lineage = "l"
		again, err := encodeSnapshot(s, nil, "", nil)
		if err != nil {
			return // e.g. an output's type that is not JSON
		}
		if _, err := decodeSnapshot(again, fuzzKeys()); err != nil {
			t.Errorf("%v in\n%s", err, again)
		}
	})
}

// A journal is replayed or refused; it never breaks the reader.
func FuzzJournal(f *testing.F) {
	var j []byte
	for n, r := range []record{
		{kind: recHeader, body: []byte(`{"format_version":1,"id":"i","lineage":"l"}`)},
		{kind: recBegin, body: []byte(`{"address":"pod.a"}`)},
		{kind: recDone, body: appendInstance(nil, fuzzState().Instances["pod.a"])},
		{kind: recSealed, body: []byte("AAAA")},
		{kind: recOutputs, body: []byte(`{}`)},
	} {
		r.number = uint64(n)
		j = appendRecord(j, r)
		f.Add(j)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseJournal(data)
		if err == nil {
			replayJournal(fuzzState(), nil, p, fuzzKeys())
		}
		// The checksum hides most of the parser from the fuzzer: look behind it.
		for _, kind := range []recordKind{recKey, recHashKey, recBegin, recCarry, recDone, recGone, recFail, recOutputs, recCluster, recSealed} {
			replayJournal(fuzzState(), nil, &journalFile{records: []record{{kind: kind, body: data}}}, fuzzKeys())
		}
	})
}
