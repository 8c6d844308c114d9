package hosts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// record is what a lab's directory says about it, for other processes.
type record struct {
	Slot    slot         `json:"lab"`
	Variant Variant      `json:"variant"`
	Base    string       `json:"base"`
	Kept    bool         `json:"kept"`  // lives on without a process that owns it
	Owner   string       `json:"owner"` // who made it, for people
	Created time.Time    `json:"created"`
	Hosts   []hostRecord `json:"hosts"`
}

type hostRecord struct {
	Index   int    `json:"index"`
	HostKey string `json:"host_key"`
}

func (s slot) recordFile() string { return filepath.Join(s.dir(), "lab.json") }

func (r *record) write() error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(r.Slot.recordFile(), append(data, '\n'), 0o600)
}

// readRecord returns the record of a lab. A lab whose start was cut short may
// have none: then only the number is filled in.
func readRecord(s slot) (*record, error) {
	r := &record{Slot: s}
	data, err := os.ReadFile(s.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(data, r)
}

// readRecords returns the records of all labs that exist, by number.
func readRecords() ([]*record, error) {
	var records []*record
	for s := slot(1); s <= maxSlot; s++ {
		if !exists(s.dir()) {
			continue
		}
		r, err := readRecord(s)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// owner describes this process for "hosts list".
func owner() string {
	dir, _ := os.Getwd()
	return filepath.Base(os.Args[0]) + " (pid " + strconv.Itoa(os.Getpid()) + ") in " + dir
}
