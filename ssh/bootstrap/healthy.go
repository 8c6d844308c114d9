package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// healthPause is the time between two questions to a stowaged that starts.
const healthPause = 100 * time.Millisecond

// WaitHealthy waits until stowaged answers on its socket (on a manager: with its
// store ready), for as long as ctx lasts. The error holds the last lines of its log.
func WaitHealthy(ctx context.Context, host ssh.Host) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return host.Dial(ctx, api.Socket)
		},
	}}
	for {
		last := healthy(ctx, client)
		if last == nil {
			return nil
		}
		if sleep(ctx, healthPause) == nil {
			continue
		}
		cause := fmt.Errorf("%s: stowaged is not ready: %w", host.Name(), last)
		if log := logTail(host); log != "" {
			return fmt.Errorf("%w; its log ends with:\n%s", cause, log)
		}
		return cause
	}
}

func healthy(ctx context.Context, client *http.Client) error {
	// A question may hang in a stowaged that is being replaced: ask again.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var local api.LocalView
	if err := get(ctx, client, "/v1/local", &local); err != nil {
		return err
	}
	if local.Config.Role != api.RoleManager {
		return nil
	}
	return get(ctx, client, "/v1/objects/"+string(api.KindNode), new(json.RawMessage))
}

func get(ctx context.Context, client *http.Client, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stowaged"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Stowage-Api", fmt.Sprint(api.Version))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		var e api.Error
		if json.Unmarshal(body, &e) == nil && e.Message != "" {
			return errors.New(e.Message)
		}
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// logTail is the end of stowaged's log, "" when it cannot be read. It has its
// own time: the caller's is over.
func logTail(host ssh.Host) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := host.Run(ctx, ssh.Command{Script: `if [ -d /run/systemd/system ]; then journalctl -u stowaged -n 15 --no-pager -q -o cat
else for f in ` + LogDir + `/*.log; do [ -s "$f" ] && tail -n 15 "$f"; done; fi`})
	if err != nil && out.Stdout == "" {
		return ""
	}
	return strings.TrimRight(out.Stdout, "\n")
}
