package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// versionHeader carries api.Version in both directions.
const versionHeader = "Stowage-Api"

// call is once, repeated while the API cannot be reached.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	_, err := c.repeat(ctx, func() error { return c.once(ctx, method, path, body, into) })
	return err
}

// repeat calls do while it fails with ErrUnavailable, for c.patience at most.
func (c *Client) repeat(ctx context.Context, do func() error) (repeated bool, err error) {
	start := time.Now()
	for pause := backOff(0); ; pause = pause.next() {
		if err = do(); err == nil || !errors.Is(err, ErrUnavailable) || time.Since(start) > c.patience {
			return repeated, err
		}
		if pause.sleep(ctx) != nil {
			return repeated, err
		}
		repeated = true
	}
}

// backOff doubles from 50 ms to 2 s, each a half of it random.
type backOff time.Duration

func (b backOff) next() backOff {
	return min(max(2*b, backOff(50*time.Millisecond)), backOff(2*time.Second))
}

func (b backOff) sleep(ctx context.Context) error {
	d := max(time.Duration(b), 50*time.Millisecond)
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once makes one request; a nil into drops the answer.
func (c *Client) once(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return unreachable(fmt.Errorf("%s %s: reading the answer: %w", method, path, err))
	}
	return nil
}

// send makes one request and turns what is not 2xx into an error.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set(versionHeader, strconv.Itoa(api.Version))
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, unreachable(err)
	}
	if err := check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// check turns a response that is not 2xx, or of another API version, into an error.
func check(resp *http.Response) error {
	if v := resp.Header.Get(versionHeader); v != strconv.Itoa(api.Version) {
		return fmt.Errorf("%w: the host's is %q, this program's is %d; upgrade the older one", ErrVersion, v, api.Version)
	}
	if resp.StatusCode/100 == 2 {
		return nil
	}
	var e api.Error
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(b, &e) != nil || e.Code == "" {
		e = api.Error{Code: "internal", Message: fmt.Sprintf("stowaged answered %s", resp.Status)}
	}
	return &responseError{&e}
}
