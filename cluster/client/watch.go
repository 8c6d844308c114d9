package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Stream yields messages as they come. It ends with the loop, with the context
// (yielding its error) or with the connection (yielding ErrUnavailable).
type Stream[T any] = iter.Seq2[T, error]

// Watch streams the changes after revision from, in order and without a gap,
// across lost connections (after one, changes of the last revision may come
// again). It ends by yielding an error: ErrCompacted when the
// history since from is gone (read the View again), ErrUnavailable after a
// minute without a connection, or the context's.
func (c *Client) Watch(ctx context.Context, from int64) Stream[api.Change] {
	return func(yield func(api.Change, error) bool) {
		heard := time.Now()
		for pause := backOff(0); ; pause = pause.next() {
			var failed error
			for change, err := range stream[api.Change](ctx, c, fmt.Sprintf("/v1/watch?from=%d", from)) {
				if err != nil {
					failed = err
					break
				}
				heard, pause = time.Now(), 0
				if change == (api.Change{Revision: change.Revision}) {
					from = max(from, change.Revision) // all changes up to it were sent
					continue
				}
				if !yield(change, nil) {
					return
				}
			}
			if !errors.Is(failed, ErrUnavailable) || time.Since(heard) > time.Minute || pause.sleep(ctx) != nil {
				yield(api.Change{}, failed)
				return
			}
		}
	}
}

// stream reads one NDJSON response to its end. Empty lines keep it alive.
func stream[T any](ctx context.Context, c *Client, path string) Stream[T] {
	return func(yield func(T, error) bool) {
		var zero T
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		resp, err := c.send(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(zero, err)
			return
		}
		defer resp.Body.Close()
		lines := json.NewDecoder(resp.Body)
		for {
			var m message[T]
			if err := lines.Decode(&m); err != nil {
				yield(zero, ended(ctx, err))
				return
			}
			if m.Error != nil {
				yield(zero, &responseError{m.Error})
				return
			}
			if !yield(m.value, nil) {
				return
			}
		}
	}
}

// message is a line of a stream: a value, or {"error": …} as its last line.
type message[T any] struct {
	Error *api.Error
	value T
}

// UnmarshalJSON reads either.
func (m *message[T]) UnmarshalJSON(b []byte) error {
	var last struct {
		Error *api.Error `json:"error"`
	}
	if err := json.Unmarshal(b, &last); err != nil {
		return err
	}
	if m.Error = last.Error; m.Error != nil {
		return nil
	}
	return json.Unmarshal(b, &m.value)
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		return unreachable(errors.New("stowaged ended the stream"))
	}
	return unreachable(err)
}
