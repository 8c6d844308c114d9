package ssh

import (
	"errors"
	"io"
	"sync"
)

// feed copies a command's input to it. A command may end without reading all of
// it: that is no error. Input that cannot be read is one, and ends the command.
type feed struct {
	to     io.WriteCloser
	from   io.Reader
	failed func(error)

	mu      sync.Mutex
	readErr error
}

func (f *feed) run() {
	source := &source{r: f.from}
	_, _ = io.Copy(f.to, source)
	if source.err != nil {
		f.mu.Lock()
		f.readErr = source.err
		f.mu.Unlock()
		f.failed(source.err)
		return
	}
	_ = f.to.Close()
}

func (f *feed) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readErr
}

// source tells read errors from write errors.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
