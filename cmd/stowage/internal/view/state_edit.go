package view

import (
	"io"

	"github.com/stowage-iac/stowage/planner"
)

// StateEdit is what a command that edits the state did to it, for a program.
type StateEdit struct {
	FormatVersion string          `json:"format_version"`
	Command       string          `json:"command"` // state mv
	DryRun        bool            `json:"dry_run"`
	Location      string          `json:"location"`
	Serial        uint64          `json:"serial"`    // of the state as it is now
	Instances     int             `json:"instances"` // that it records now
	Moved         []planner.Moved `json:"moved,omitempty"`
	Forgotten     []string        `json:"forgotten,omitempty"`
	Restored      uint64          `json:"restored_serial,omitempty"`
	Encryption    *Encryption     `json:"encryption,omitempty"`
}

// Encryption is to whom a state was encrypted and is; null where it was or is not.
type Encryption struct {
	Before  []string `json:"before"`
	After   []string `json:"after"`
	Earlier []uint64 `json:"earlier_serials,omitempty"` // versions encrypted anew
	Dropped []uint64 `json:"dropped_serials,omitempty"`
	Unread  []uint64 `json:"unread_serials,omitempty"` // versions that no key at hand opens
}

// StateEditJSON writes an edit as one JSON document.
func StateEditJSON(w io.Writer, e StateEdit) error {
	e.FormatVersion = StateFormat
	return JSON(w, e)
}
