package http

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/internal/crash"
)

// requestTimeout bounds one attempt.
const requestTimeout = 5 * time.Minute

func (o Options) client() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	if o.CA != "" {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, errors.New("client_ca_certificate_pem holds no PEM certificate; read a file with file(\"ca.pem\")")
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("client_certificate_pem and the environment variable STOWAGE_HTTP_CLIENT_PRIVATE_KEY_PEM go together")
	}
	if o.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(o.Cert), []byte(o.Key))
		if err != nil {
			return nil, errors.New("client_certificate_pem and STOWAGE_HTTP_CLIENT_PRIVATE_KEY_PEM are not a certificate and its key in PEM")
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: t, Timeout: requestTimeout,
		// Following would repeat a POST as a GET, and send the password elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// answer is what a server said.
type answer struct {
	status int
	body   []byte
}

// send makes a request, again after an answer of 500 or more, or none.
func (b *Backend) send(ctx context.Context, method, address string, body []byte) (answer, error) {
	pause := b.o.RetryMin
	for attempt := 0; ; attempt++ {
		if method != http.MethodGet {
			crash.Point()
		}
		a, err := b.once(ctx, method, address, body)
		if method != http.MethodGet {
			crash.Point()
		}
		if err == nil && a.status < 500 {
			return a, nil
		}
		if ctx.Err() != nil {
			return a, context.Cause(ctx)
		}
		if attempt == b.o.Retries || errors.Is(err, state.ErrDamaged) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, context.Cause(ctx)
		case <-time.After(pause):
			pause = min(2*pause, b.o.RetryMax)
		}
	}
}

func (b *Backend) once(ctx context.Context, method, address string, body []byte) (answer, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return answer{}, err
	}
	if b.o.Username != "" {
		r.SetBasicAuth(b.o.Username, b.o.Password)
	}
	if body != nil {
		sum := md5.Sum(body) // what Terraform sends: some servers check it
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("%s does not answer: check the address and the network (%w)", address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, state.MaxSize+1))
	if err != nil {
		return answer{}, fmt.Errorf("the answer of %s broke off: try again (%w)", address, err)
	}
	if len(text) > state.MaxSize {
		return answer{}, fmt.Errorf("%w: %s has more than the limit of %d bytes", state.ErrDamaged, address, state.MaxSize)
	}
	return answer{resp.StatusCode, text}, nil
}

// refused says what an answer means that is none of the expected.
func (b *Backend) refused(doing, address string, a answer) error {
	advice := ""
	switch {
	case a.status == http.StatusUnauthorized:
		advice = ": set username, and STOWAGE_HTTP_PASSWORD in the environment, or correct them"
	case a.status == http.StatusForbidden:
		advice = ": the user may not do that; give it the right, or use another"
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed:
		advice = ": check the address and the method"
	case a.status == http.StatusRequestEntityTooLarge:
		advice = ": the server takes no state of that size; raise its limit"
	case a.status/100 == 3:
		advice = ": it redirects; use the address that it redirects to"
	case a.status >= 500:
		advice = ": the server has a problem of its own; try again"
	}
	text := strings.TrimSpace(string(a.body[:min(len(a.body), 200)]))
	if text != "" {
		text = ", " + fmt.Sprintf("%q", text)
	}
	return fmt.Errorf("cannot %s: %s answered %d %s%s%s", doing, address, a.status, http.StatusText(a.status), text, advice)
}
