package image

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// source is what is left of a blob, as the body of a request: exactly so many
// bytes. It tells of those that were passed on when it is asked for more.
type source struct {
	r      io.ReadCloser
	left   int64
	sent   func(int64)
	handed atomic.Int64 // read, not told of
	failed atomic.Pointer[sourceError]
	once   sync.Once
}

// sourceError: the blob cannot be read at its source.
type sourceError struct{ error }

func (e *sourceError) Error() string { return "read the layer: " + e.error.Error() }
func (e *sourceError) Unwrap() error { return e.error }

func (s *source) Read(b []byte) (int, error) {
	s.count()
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	s.handed.Add(int64(n))
	if err == nil && s.left == 0 {
		err = s.end() // before the last bytes are passed on
	}
	switch {
	case err == io.EOF && s.left > 0:
		err = fmt.Errorf("it ends %d bytes before its manifest says: %w", s.left, io.ErrUnexpectedEOF)
		fallthrough
	case err != nil && err != io.EOF:
		s.failed.Store(&sourceError{err})
	}
	return n, err
}

// end demands that nothing follows: a source may say only there that its content
// is not what it was.
func (s *source) end() error {
	switch n, err := io.ReadFull(s.r, make([]byte, 1)); {
	case n > 0:
		return errors.New("it has more bytes than its manifest says")
	default:
		return err
	}
}

// count tells of what was handed on.
func (s *source) count() {
	if n := s.handed.Swap(0); n > 0 {
		s.sent(n)
	}
}

func (s *source) Close() (err error) {
	s.once.Do(func() { err = s.r.Close() })
	return err
}
