package client

//lint:file-ignore SA1019 the transport that is to replace http2.Transport dials once per call of a burst

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// transport speaks HTTP/2 only, over one connection: net/http's own would dial
// once per call of a burst, and sshd allows ten sessions per connection. A dead
// peer is found within about six seconds, also on a quiet stream.
func transport(dial Dialer) *http2.Transport {
	return &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
			return dial(ctx)
		},
		StrictMaxConcurrentStreams: true,
		ReadIdleTimeout:            3 * time.Second,
		PingTimeout:                3 * time.Second,
	}
}
