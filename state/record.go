package state

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
)

// A journal is lines of
//
//	CRC NUMBER DURABLE KIND BODY
//
// CRC is the CRC-32C of the rest of the line, eight hex digits. NUMBER counts
// from 0 (the header). DURABLE is how many records were known to be on disk when
// this one was made: it tells a torn end (records that nobody was promised) from
// damage. In an encrypted journal the KIND of all records but the header and
// "key" is "sealed": BODY is the base64 of KIND BODY, encrypted, with the
// journal's ID and NUMBER authenticated.

type recordKind string

const (
	recHeader  recordKind = "header"  // journalHeader
	recKey     recordKind = "key"     // EnvelopeHeader: what follows is encrypted with it
	recHashKey recordKind = "hashkey" // JSON base64
	recBegin   recordKind = "begin"   // beginBody
	recCarry   recordKind = "carry"   // JSON string: address that an earlier, interrupted operation left under way
	recDone    recordKind = "done"    // an instance as in a snapshot
	recGone    recordKind = "gone"    // JSON string: address
	recMove    recordKind = "move"    // moveBody
	recFail    recordKind = "fail"    // JSON string: address
	recOutputs recordKind = "outputs" // all outputs
	recCluster recordKind = "cluster" // JSON string: ID
	recSealed  recordKind = "sealed"
)

// journalHeader is the body of record 0.
type journalHeader struct {
	FormatVersion  int             `json:"format_version"`
	ID             string          `json:"id"`
	Lineage        string          `json:"lineage"`
	Base           uint64          `json:"base"` // serial of the snapshot that it continues
	StowageVersion string          `json:"stowage_version"`
	Context        string          `json:"context,omitempty"`
	Operation      string          `json:"operation"`
	Plan           string          `json:"plan,omitempty"`
	Who            string          `json:"who"`
	PID            int             `json:"pid"`
	Started        time.Time       `json:"started"`
	Encryption     *EnvelopeHeader `json:"encryption,omitempty"`
}

type beginBody struct {
	Address string `json:"address"`
	Action  string `json:"action"`
}

// record is one decoded line.
type record struct {
	number, durable uint64
	kind            recordKind
	body            []byte
}

type moveBody struct {
	From string          `json:"from"`
	To   json.RawMessage `json:"to"` // an instance as in a snapshot
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord adds a line to out.
func appendRecord(out []byte, r record) []byte {
	start := len(out)
	out = append(out, "00000000 "...)
	out = strconv.AppendUint(out, r.number, 10)
	out = append(out, ' ')
	out = strconv.AppendUint(out, r.durable, 10)
	out = append(out, ' ')
	out = append(out, r.kind...)
	out = append(out, ' ')
	out = append(out, r.body...)
	putCRC(out[start:])
	return append(out, '\n')
}

func putCRC(line []byte) {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(line[9:], castagnoli))
	hex.Encode(line[:8], sum[:])
}

// parseRecord reverses appendRecord, for one line without its end.
func parseRecord(line []byte) (record, error) {
	bad := errors.New("a line is not a record")
	if len(line) < 10 || line[8] != ' ' {
		return record{}, bad
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return record{}, bad
	}
	if binary.BigEndian.Uint32(sum[:]) != crc32.Checksum(line[9:], castagnoli) {
		return record{}, errors.New("a line does not match its checksum")
	}
	f := bytes.SplitN(line[9:], []byte(" "), 4)
	if len(f) != 4 {
		return record{}, bad
	}
	number, err1 := strconv.ParseUint(string(f[0]), 10, 63)
	durable, err2 := strconv.ParseUint(string(f[1]), 10, 63)
	if err1 != nil || err2 != nil || durable > number {
		return record{}, bad
	}
	return record{number, durable, recordKind(f[2]), f[3]}, nil
}

func recordAAD(journal string, number uint64) []byte {
	return fmt.Appendf(nil, "stowage journal\n%s\n%d", journal, number)
}

// sealRecord encrypts kind and body.
func sealRecord(r record, journal string, e *Envelope) record {
	plain := make([]byte, 0, len(r.kind)+1+len(r.body))
	plain = append(append(append(plain, r.kind...), ' '), r.body...)
	sealed := e.Seal(plain, recordAAD(journal, r.number))
	r.kind = recSealed
	r.body = base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(sealed))), sealed)
	return r
}

// openRecord reverses sealRecord.
func openRecord(r record, journal string, e *Envelope) (record, error) {
	if e == nil {
		return r, errors.New("an encrypted record before any key")
	}
	sealed, err := base64.StdEncoding.AppendDecode(nil, r.body)
	if err != nil {
		return r, fmt.Errorf("record %d: %w", r.number, err)
	}
	plain, err := e.Open(sealed, recordAAD(journal, r.number))
	if err != nil {
		return r, fmt.Errorf("record %d: %w", r.number, err)
	}
	kind, body, ok := bytes.Cut(plain, []byte(" "))
	if !ok {
		return r, fmt.Errorf("record %d has no kind", r.number)
	}
	r.kind, r.body = recordKind(kind), body
	return r, nil
}

func jsonString(s string) []byte { return appendString(nil, s) }

func parseString(b []byte) (string, error) {
	var s string
	err := json.Unmarshal(b, &s)
	return s, err
}
