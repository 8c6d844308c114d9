package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"

	"github.com/stowage-iac/stowage/api"
)

const (
	// intakeTries is how often a blob is begun or gone on with before containerd
	// takes it; intakePause is what a stowaged that restarts is given each time.
	intakeTries = 5
	intakePause = time.Second
	// intakeTimeout bounds what asks stowaged: it may be away. intakeDial bounds the
	// dialling: other pushes may have all the sessions that sshd allows, and wait too.
	intakeTimeout = 5 * time.Second
	intakeDial    = 2 * time.Second
)

// intake is a host's stowaged, which takes large content in at less cost than
// containerd. It is only an offer: whatever it cannot do, containerd does.
type intake struct{ http *http.Transport }

func newIntake(dial Dialer) *intake {
	if dial == nil {
		return nil
	}
	return &intake{&http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, intakeDial)
			defer cancel()
			return dial(ctx)
		},
		MaxIdleConnsPerHost: pushes,
		IdleConnTimeout:     intakePause, // each may be one of the few sessions that sshd allows
		// The host may wait for another push of the same, and refuse before a byte is sent.
		ExpectContinueTimeout: leaseTime,
	}}
}

func (i *intake) close() {
	if i != nil {
		i.http.CloseIdleConnections()
	}
}

// parts maps digests to how many bytes of theirs stowaged has; none where it does not answer.
func (i *intake) parts(ctx context.Context) (map[string]int64, error) {
	if i == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, intakeTimeout)
	defer cancel()
	parts := map[string]int64{}
	return parts, i.do(ctx, http.MethodGet, "/v1/content", nil, 0, &parts)
}

// take sends a blob from offset on.
func (i *intake) take(ctx context.Context, b blob, offset int64, sent func(int64)) error {
	path := "/v1/content/" + b.desc.Digest.String() + "?" + url.Values{"offset": {strconv.FormatInt(offset, 10)}}.Encode()
	left := b.desc.Size - offset
	if left <= 0 {
		return i.do(ctx, http.MethodPut, path, nil, 0, nil)
	}
	r, err := b.reader(ctx, offset)
	if err != nil {
		return &sourceError{err}
	}
	s := &source{r: r, left: left, sent: sent}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })() // a registry's stream may hang
	err = i.do(ctx, http.MethodPut, path, s, left, nil)
	if broken := s.failed.Load(); broken != nil {
		return broken
	}
	if err == nil {
		s.count() // the last bytes are taken when all are
	}
	return err
}

// do makes one request; an answer that is not 200 is an *api.Error.
func (i *intake) do(ctx context.Context, method, path string, body io.Reader, length int64, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://stowaged"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Stowage-Api", strconv.Itoa(api.Version))
	if body != nil {
		req.ContentLength = length
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := i.http.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		if into == nil {
			return nil
		}
		return json.Unmarshal(answer, into)
	}
	refused := &api.Error{}
	if json.Unmarshal(answer, refused) != nil {
		refused.Message = fmt.Sprintf("stowaged answered %s", resp.Status)
	}
	return refused
}

// takeIn has stowaged take a large blob in, so that send finds it there. It returns
// an error only where send would fail for the same reason.
func (d *daemon) takeIn(ctx context.Context, b blob, sent func(int64)) error {
	if d.intake == nil || b.desc.Size < large {
		return nil
	}
	begun, err := d.content.Status(ours(ctx, ""), &content.StatusRequest{Ref: ingestRef(b.desc)})
	if err == nil && begun.Status.Offset > 0 {
		return nil // what containerd has begun it goes on with
	}
	for try := range intakeTries {
		parts, err := d.intake.parts(ctx)
		if err != nil && try == 0 {
			return nil // there is none that could
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(intakePause):
			}
			continue
		}
		err = d.intake.take(ctx, b, parts[b.desc.Digest.String()], sent)
		if err == nil || final(ctx, err) {
			return failed("send "+b.desc.Digest.String(), err)
		}
	}
	return nil
}

// final reports whether containerd could not do better.
func final(ctx context.Context, err error) bool {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Code == "invalid" || refused.Code == "no_space"
	}
	var broken *sourceError
	return errors.As(err, &broken) || ctx.Err() != nil
}
