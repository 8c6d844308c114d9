package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A snapshot is one JSON document whose lines are laid out so that it can be read
// without scanning the values:
//
//	{"format_version":1,"lineage":"…","serial":7,"stowage_version":"…","cluster_id":"…","context":"…",
//	"instances":[
//	{"address":"pod.web","kind":"pod","deps":["node.a"],"value":{…}},
//	…
//	],
//	"outputs":{…},
//	"sha256":"…"}
//
// The first line is the header. After an interrupted operation a line
// "interrupted" comes before the instances. With anything sensitive in the state the lines
// from "instances" to "outputs", led by one with "hash_key", are encrypted and
// become one line "sealed", with the header line authenticated beside them. The
// last line is the SHA-256 of all bytes before it.

// MaxSize of a snapshot and of a journal, bytes.
const MaxSize = 1 << 30

// snapshotHeader is the first line, always in clear.
type snapshotHeader struct {
	FormatVersion  int       `json:"format_version"`
	Lineage        string    `json:"lineage"`
	Serial         uint64    `json:"serial"`
	StowageVersion string    `json:"stowage_version"`
	ClusterID      string    `json:"cluster_id,omitempty"`
	Context        string    `json:"context,omitempty"`
	Written        time.Time `json:"written,omitzero"`
	By             string    `json:"by,omitempty"`        // user@host
	Operation      string    `json:"operation,omitempty"` // apply, destroy, state rm …
	// Moved is where the state lives now: what follows is empty.
	Moved string `json:"moved,omitempty"`
	// Merged is the ID of the journal that was folded into this snapshot.
	Merged     string          `json:"merged,omitempty"`
	Encryption *EnvelopeHeader `json:"encryption,omitempty"`
}

var (
	interruptedOpen = []byte(`"interrupted":`)
	instancesOpen   = []byte("\"instances\":[\n")
	hashKeyOpen     = []byte(`"hash_key":"`)
	outputsOpen     = []byte(`"outputs":`)
	sealedOpen      = []byte(`"sealed":"`)
	sumOpen         = []byte(`"sha256":"`)
)

// encodeSnapshot lays out a state; with an envelope it is encrypted.
func encodeSnapshot(s *State, in *Interrupted, merged string, e *Envelope) ([]byte, error) {
	h := snapshotHeader{FormatVersion: FormatVersion, Lineage: s.Lineage, Serial: s.Serial, StowageVersion: s.StowageVersion,
		ClusterID: s.ClusterID, Context: s.Context, Written: s.Written, By: s.WrittenBy, Operation: s.Operation, Moved: s.moved, Merged: merged}
	if e != nil {
		eh := e.Header()
		h.Encryption = &eh
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	head[len(head)-1] = ','
	out := make([]byte, 0, payloadSize(s)*4/3+len(head)+256)
	out = append(append(out, head...), '\n')
	if e == nil {
		if out, err = appendPayload(out, s, in, false); err != nil {
			return nil, err
		}
	} else {
		payload, err := appendPayload(make([]byte, 0, payloadSize(s)), s, in, true)
		if err != nil {
			return nil, err
		}
		out = append(out, sealedOpen...)
		out = base64.StdEncoding.AppendEncode(out, e.Seal(payload, snapshotAAD(head)))
		out = append(out, "\",\n"...)
	}
	if len(out) > MaxSize {
		return nil, fmt.Errorf("the state would have %d bytes, more than the limit of %d", len(out), MaxSize)
	}
	sum := sha256.Sum256(out)
	out = append(out, sumOpen...)
	out = hex.AppendEncode(out, sum[:])
	return append(out, "\"}\n"...), nil
}

func snapshotAAD(headLine []byte) []byte {
	return append([]byte("stowage snapshot\n"), headLine...)
}

func payloadSize(s *State) int {
	n := 256
	for _, i := range s.Instances {
		n += len(i.Value) + 64 + 2*len(i.Address)
		for _, d := range i.Deps {
			n += len(d) + 3
		}
	}
	return n
}

func appendPayload(out []byte, s *State, in *Interrupted, hashKey bool) ([]byte, error) {
	if hashKey {
		out = append(out, hashKeyOpen...)
		out = base64.StdEncoding.AppendEncode(out, s.HashKey)
		out = append(out, "\",\n"...)
	}
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, interruptedOpen...), text...), ",\n"...)
	}
	out = append(out, instancesOpen...)
	for n, address := range slices.Sorted(maps.Keys(s.Instances)) {
		if n > 0 {
			out = append(out, ",\n"...)
		}
		out = appendInstance(out, s.Instances[address])
	}
	out = append(out, "\n],\n"...)
	out = append(out, outputsOpen...)
	outputs, err := json.Marshal(s.Outputs) // keys are sorted
	if err != nil {
		return nil, fmt.Errorf("encode the outputs: %w", err)
	}
	out = append(out, outputs...)
	return append(out, ",\n"...), nil
}

// decodeHeader reads the first line only: what it takes to tell whose it is.
func decodeHeader(data []byte) (h snapshotHeader, line []byte, err error) {
	line, _, ok := bytes.Cut(data, []byte("\n"))
	if ok && len(line) > 0 && line[len(line)-1] == ',' {
		doc := slices.Clone(line)
		doc[len(doc)-1] = '}'
		err = json.Unmarshal(doc, &h)
	} else {
		// Not our layout: perhaps that of a later version.
		err = json.Unmarshal(data, &h)
		if err == nil && h.FormatVersion <= FormatVersion {
			err = errors.New("its lines are not as stowage writes them")
		}
	}
	switch {
	case h.FormatVersion > FormatVersion:
		return h, line, fmt.Errorf("%w: its format version is %d, this version reads up to %d; upgrade stowage",
			ErrNewer, h.FormatVersion, FormatVersion)
	case err != nil:
		return h, line, fmt.Errorf("%w: its first line is not the header of a state: %v", ErrDamaged, err)
	case h.FormatVersion < 1 || h.Lineage == "":
		return h, line, fmt.Errorf("%w: it is not a state of stowage (no format_version and lineage)", ErrDamaged)
	}
	return h, line, nil
}

// SnapshotSerial reads the serial from the beginning of a snapshot: its first
// line suffices. Backends check it before they replace one.
func SnapshotSerial(data []byte) (uint64, error) {
	h, _, err := decodeHeader(data)
	return h.Serial, err
}

// SnapshotVersion reads what Version says of a snapshot from its first line;
// size is that of the whole.
func SnapshotVersion(head []byte, size int64) (Version, error) {
	h, _, err := decodeHeader(head)
	return Version{Serial: h.Serial, Size: size, Written: h.Written, Who: h.By, Operation: h.Operation}, err
}

// snapshot is a decoded one.
type snapshot struct {
	state       *State
	header      snapshotHeader
	envelope    *Envelope // nil: not encrypted
	interrupted *Interrupted
}

// decodeSnapshot reverses encodeSnapshot. Values alias data.
func decodeSnapshot(data []byte, keys *Keyring) (*snapshot, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes, more than the limit of %d", ErrDamaged, len(data), MaxSize)
	}
	h, line, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	body, err := checkSum(data)
	if err != nil {
		return nil, err
	}
	payload := body[len(line)+1:]
	var e *Envelope
	if h.Encryption != nil {
		if e, err = keys.OpenEnvelope(*h.Encryption); err != nil {
			return nil, err
		}
		if payload, err = openPayload(payload, line, e); err != nil {
			return nil, err
		}
	}
	s := &State{Lineage: h.Lineage, Serial: h.Serial, StowageVersion: h.StowageVersion, ClusterID: h.ClusterID, Context: h.Context,
		Written: h.Written, WrittenBy: h.By, Operation: h.Operation, moved: h.Moved}
	in, err := decodePayload(payload, s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &snapshot{state: s, header: h, envelope: e, interrupted: in}, nil
}

// checkSum cuts the last line off and compares.
func checkSum(data []byte) ([]byte, error) {
	const lineLen = len(`"sha256":"`) + 2*sha256.Size + len("\"}\n")
	n := len(data) - lineLen
	if n < 0 || !bytes.HasPrefix(data[n:], sumOpen) {
		return nil, fmt.Errorf("%w: its end is missing", ErrDamaged)
	}
	sum := sha256.Sum256(data[:n])
	want := append(hex.AppendEncode(nil, sum[:]), "\"}\n"...)
	if !bytes.Equal(data[n+len(sumOpen):], want) {
		return nil, fmt.Errorf("%w: its checksum does not match: it was changed by something other than stowage, or the disk is failing", ErrDamaged)
	}
	return data[:n], nil
}

func openPayload(payload, headLine []byte, e *Envelope) ([]byte, error) {
	text, ok := bytes.CutPrefix(payload, sealedOpen)
	text, ok2 := bytes.CutSuffix(text, []byte("\",\n"))
	if !ok || !ok2 {
		return nil, fmt.Errorf("%w: its encrypted part is missing", ErrDamaged)
	}
	sealed := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(sealed, text)
	if err != nil {
		return nil, fmt.Errorf("%w: its encrypted part: %v", ErrDamaged, err)
	}
	return e.Open(sealed[:n], snapshotAAD(headLine))
}

func decodePayload(p []byte, s *State) (interrupted *Interrupted, err error) {
	if rest, ok := bytes.CutPrefix(p, hashKeyOpen); ok {
		line, after, _ := bytes.Cut(rest, []byte("\",\n"))
		key, err := base64.StdEncoding.AppendDecode(nil, line)
		if err != nil {
			return nil, fmt.Errorf("its hash key: %w", err)
		}
		s.HashKey, p = key, after
	}
	if rest, ok := bytes.CutPrefix(p, interruptedOpen); ok {
		line, after, _ := bytes.Cut(rest, []byte(",\n"))
		if err := json.Unmarshal(line, &interrupted); err != nil {
			return nil, fmt.Errorf("its interrupted operation: %w", err)
		}
		p = after
	}
	p, ok := bytes.CutPrefix(p, instancesOpen)
	if !ok {
		return nil, errors.New("its instances are missing")
	}
	s.Instances = make(map[string]*Instance, bytes.Count(p, []byte("\n")))
	for !bytes.HasPrefix(p, []byte("],\n")) {
		line, rest, ok := bytes.Cut(p, []byte("\n"))
		if !ok {
			return nil, errors.New("its instances do not end")
		}
		p = rest
		if len(line) == 0 {
			continue
		}
		i, err := decodeInstance(bytes.TrimSuffix(line, []byte(",")))
		if err != nil {
			return nil, err
		}
		if s.Instances[i.Address] != nil {
			return nil, fmt.Errorf("%s is in it twice", i.Address)
		}
		s.Instances[i.Address] = i
	}
	p, ok = bytes.CutPrefix(p[len("],\n"):], outputsOpen)
	p, ok2 := bytes.CutSuffix(p, []byte(",\n"))
	if !ok || !ok2 {
		return nil, errors.New("its outputs are missing")
	}
	if s.Outputs, err = decodeOutputs(p); err != nil {
		return nil, fmt.Errorf("its outputs: %w", err)
	}
	return interrupted, nil
}

func decodeOutputs(text []byte) (map[string]*Output, error) {
	outputs := map[string]*Output{}
	if err := json.Unmarshal(text, &outputs); err != nil {
		return nil, err
	}
	for name, o := range outputs {
		if o == nil {
			return nil, fmt.Errorf("output %q is null", name)
		}
	}
	if outputs == nil { // the text was null
		outputs = map[string]*Output{}
	}
	return outputs, nil
}
