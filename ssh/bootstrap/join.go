package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// Identity makes the node's keys if they are missing and returns the public halves.
func Identity(ctx context.Context, host ssh.Host, name string) (*api.JoinRequest, error) {
	out, err := host.Run(ctx, ssh.Command{Script: api.Binary + " identity -name " + ssh.Quote(name)})
	if err != nil {
		return nil, fmt.Errorf("make the node's keys: %w", err)
	}
	var req api.JoinRequest
	if err := json.Unmarshal([]byte(out.Stdout), &req); err != nil {
		return nil, fmt.Errorf("%s: stowaged identity printed no JSON: %w", host.Name(), err)
	}
	return &req, nil
}

// WriteNode writes the node's configuration, and its certificate where it has been
// signed (nil for the first manager, which makes the cluster's CA itself). Files
// that are right already are left alone.
func WriteNode(ctx context.Context, host ssh.Host, config api.NodeConfig, signed *api.JoinResponse) error {
	s, err := look(ctx, host)
	if err != nil {
		return err
	}
	config.Supervise = config.Supervise && !s.manifest.ForeignContainerd
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: node configuration: %w", host.Name(), err)
	}
	files := []struct {
		path, is, text string
		mode           fs.FileMode
	}{{api.NodeConfigFile, s.sums["config"], string(b) + "\n", 0o600}}
	if signed != nil {
		// The certificate before the CA: stowaged takes the CA's presence as "joined".
		files = append(files, files[0], files[0])
		files[0].path, files[0].is, files[0].text, files[0].mode = api.DataDir+"/pki/node.crt", s.sums["node_crt"], signed.Certificate, 0o644
		files[1].path, files[1].is, files[1].text, files[1].mode = api.DataDir+"/pki/ca.crt", s.sums["ca_crt"], signed.CA, 0o644
	}
	for _, f := range files {
		if f.is == digest(f.text) {
			continue
		}
		if err := host.Put(ctx, f.path, f.mode, int64(len(f.text)), strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	return nil
}
