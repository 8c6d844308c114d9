package client

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/stowage-iac/stowage/api"
)

// The sentinels of api.Error's codes.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("changed by someone else")             // the precondition did not hold
	ErrForeignOwner = errors.New("managed by another state")            // another lineage owns the object
	ErrInvalid      = errors.New("refused as invalid")                  // the request is wrong
	ErrForbidden    = errors.New("forbidden")                           // the certificate does not allow it
	ErrUnavailable  = errors.New("stowaged cannot be reached")          // also: starting, or without a majority
	ErrCompacted    = errors.New("the watched history is gone")         // read the view again and watch from there
	ErrFailed       = errors.New("the rollout failed")                  // WaitPod: a replica will not become ready
	ErrVersion      = errors.New("stowaged speaks another API version") // upgrade the older side
)

var sentinels = map[string]error{
	"not_found":     ErrNotFound,
	"conflict":      ErrConflict,
	"foreign_owner": ErrForeignOwner,
	"invalid":       ErrInvalid,
	"forbidden":     ErrForbidden,
	"unavailable":   ErrUnavailable,
	"compacted":     ErrCompacted,
}

// responseError is an api.Error that matches its code's sentinel.
type responseError struct{ cause *api.Error }

func (e *responseError) Error() string { return e.cause.Message }

func (e *responseError) Unwrap() []error {
	if s := sentinels[e.cause.Code]; s != nil {
		return []error{e.cause, s}
	}
	return []error{e.cause}
}

// unreachable says that no answer came.
func unreachable(err error) error {
	if request := (*url.Error)(nil); errors.As(err, &request) { // its address is one of no host
		err = request.Err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
