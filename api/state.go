package api

// StateObject is one object of a state that is kept in the cluster's store.
type StateObject struct {
	Key      string `json:"key"`
	Data     []byte `json:"data,omitempty"`
	Revision int64  `json:"revision"` // of the store; as a precondition, 0 means that there must be none
}

// StatePage is a part of a state's objects, in the order of their keys.
type StatePage struct {
	Objects []StateObject `json:"objects"`
	More    bool          `json:"more,omitempty"` // read on after the last key
}

// StateLock is a state's lock: who holds it, under which lease.
type StateLock struct {
	Info  []byte `json:"info"`
	Lease int64  `json:"lease,omitempty"`
}

// StateLease is how long a state's lock outlives its holder, in seconds.
const StateLease = 15
