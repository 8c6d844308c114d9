package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// chunk is the size of one message; many are under way without waiting for answers.
	chunk = 256 << 10
	// busyPause is the pause before asking again for content that another push is writing.
	busyPause = 250 * time.Millisecond
)

// errPartial: what an interrupted push left does not fit; it has been thrown away.
var errPartial = errors.New("the interrupted part was unusable")

// send brings one blob into the content store, under the lease, with labels.
// What is there already is only taken into the lease. sent is told of the bytes
// that the host has taken.
func (d *daemon) send(ctx context.Context, lease string, b blob, labels map[string]string, sent func(int64)) error {
	for again := false; ; again = true {
		err := d.write(ctx, lease, b, labels, sent)
		switch {
		case is(err, codes.AlreadyExists):
			return nil
		case busy(err):
			// Another push writes the same: when it is done, the content is there.
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(busyPause):
			}
		case errors.Is(err, errPartial) && !again:
		default:
			return failed("send "+b.desc.Digest.String(), err)
		}
	}
}

// busy reports whether somebody else is writing the same content: containerd has
// waited a while for it, and gives the code of a lost connection.
func busy(err error) bool {
	return is(err, codes.Unavailable) && strings.Contains(status.Convert(err).Message(), " locked for ")
}

// write opens the ingest, continues it where it stands, and commits it.
func (d *daemon) write(ctx context.Context, lease string, b blob, labels map[string]string, sent func(int64)) error {
	ctx, cancel := context.WithCancel(ours(ctx, lease))
	defer cancel()
	stream, err := d.content.Write(ctx)
	if err != nil {
		return err
	}
	ref, digest := ingestRef(b.desc), b.desc.Digest.String()
	open := &content.WriteContentRequest{Action: content.WriteAction_STAT, Ref: ref, Total: b.desc.Size, Expected: digest}
	if err := stream.Send(open); err != nil && !isEOF(err) {
		return err
	}
	at, err := stream.Recv()
	if err != nil {
		return err
	}
	offset := at.Offset
	if offset > b.desc.Size {
		return d.discard(ctx, cancel, stream, ref)
	}
	failure := make(chan error, 1)
	go func() {
		err := sendFrom(ctx, stream, b, ref, offset, labels)
		if err != nil {
			cancel() // the receiver waits for an answer that will not come
		}
		failure <- err
	}()
	err = receive(stream, offset, sent)
	if err != nil {
		cancel()
	}
	if sendErr := <-failure; sendErr != nil && !isEOF(sendErr) && (err == nil || is(err, codes.Canceled)) {
		return sendErr
	}
	if offset > 0 && is(err, codes.FailedPrecondition) {
		return d.discard(ctx, cancel, stream, ref)
	}
	return err
}

// sendFrom writes everything from offset on and the commit, without waiting for answers.
func sendFrom(ctx context.Context, stream content.Content_WriteClient, b blob, ref string, offset int64, labels map[string]string) error {
	if offset < b.desc.Size {
		r, err := b.reader(ctx, offset)
		if err != nil {
			return fmt.Errorf("read the layer: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { r.Close() }) // a registry's stream may hang
		defer func() {
			if stop() {
				r.Close()
			}
		}()
		if offset, err = sendData(stream, r, b, ref, offset); err != nil {
			return err
		}
	}
	if offset != b.desc.Size {
		return fmt.Errorf("read the layer: it has %d bytes, its manifest says %d", offset, b.desc.Size)
	}
	err := stream.Send(&content.WriteContentRequest{Action: content.WriteAction_COMMIT, Ref: ref, Offset: offset,
		Total: b.desc.Size, Expected: b.desc.Digest.String(), Labels: labels})
	if err != nil {
		return err
	}
	return stream.CloseSend()
}

func sendData(stream content.Content_WriteClient, r io.Reader, b blob, ref string, offset int64) (int64, error) {
	buf := make([]byte, min(chunk, b.desc.Size-offset+1)) // one more, to notice a source that is too long
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			send := stream.Send(&content.WriteContentRequest{Action: content.WriteAction_WRITE, Ref: ref, Offset: offset, Data: buf[:n]})
			if send != nil {
				return offset, send
			}
			offset += int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return offset, nil
		}
		if err != nil {
			return offset, fmt.Errorf("read the layer: %w", err)
		}
		if offset > b.desc.Size {
			return offset, fmt.Errorf("read the layer: it has more than the %d bytes that its manifest says", b.desc.Size)
		}
	}
}

// receive takes the answers until the commit's.
func receive(stream content.Content_WriteClient, offset int64, sent func(int64)) error {
	for {
		answer, err := stream.Recv()
		if err != nil {
			if isEOF(err) {
				return errors.New("containerd ended the write before the commit")
			}
			return err
		}
		if answer.Action == content.WriteAction_COMMIT {
			return nil
		}
		if answer.Offset > offset {
			sent(answer.Offset - offset)
			offset = answer.Offset
		}
	}
}

// discard throws an ingest away: its writer first, which holds its lock.
func (d *daemon) discard(ctx context.Context, cancel func(), stream content.Content_WriteClient, ref string) error {
	cancel()
	for {
		if _, err := stream.Recv(); err != nil {
			break
		}
	}
	_, err := d.content.Abort(ours(context.WithoutCancel(ctx), ""), &content.AbortRequest{Ref: ref})
	if err != nil && !is(err, codes.NotFound) && !is(err, codes.Unavailable) {
		return err
	}
	return errPartial
}
