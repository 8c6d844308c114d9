package image

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	diff "github.com/containerd/containerd/api/services/diff/v1"
	leases "github.com/containerd/containerd/api/services/leases/v1"
	snapshots "github.com/containerd/containerd/api/services/snapshots/v1"
	types "github.com/containerd/containerd/api/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"google.golang.org/grpc/codes"
)

// chainIDs name the stack of layers up to each one, as the OCI image specification has it.
func chainIDs(diffIDs []v1.Hash) []string {
	var chain []string
	for n, d := range diffIDs {
		id := d.String()
		if n > 0 {
			sum := sha256.Sum256([]byte(chain[n-1] + " " + id))
			id = "sha256:" + hex.EncodeToString(sum[:])
		}
		chain = append(chain, id)
	}
	return chain
}

// unpack makes a snapshot of each layer on the host as the layers arrive. It is
// the host's own work: nothing but requests is sent.
func (p *push) unpack(ctx context.Context, arrived []chan struct{}) error {
	parent := ""
	for n, chain := range chainIDs(p.variant.file.RootFS.DiffIDs) {
		select {
		case <-arrived[n]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		layer := p.variant.layers[n].desc
		if err := p.unpackLayer(ctx, layer, p.variant.file.RootFS.DiffIDs[n].String(), parent, chain); err != nil {
			return failed("unpack layer "+shortDigest(layer.Digest.String()), err)
		}
		parent = chain
	}
	return nil
}

func (p *push) unpackLayer(ctx context.Context, layer v1.Descriptor, diffID, parent, chain string) error {
	ctx = ours(ctx, p.lease)
	exists, err := p.keepSnapshot(ctx, chain)
	if err != nil || exists {
		return err
	}
	id := make([]byte, 8)
	rand.Read(id)
	key := fmt.Sprintf("extract-%x %s", id, chain)
	prepared, err := p.snapshots.Prepare(ctx, &snapshots.PrepareSnapshotRequest{Snapshotter: snapshotter, Key: key, Parent: parent})
	if err != nil {
		return err
	}
	if err := p.apply(ctx, layer, diffID, prepared.Mounts); err != nil {
		p.dropSnapshot(ctx, key)
		return err
	}
	_, err = p.snapshots.Commit(ctx, &snapshots.CommitSnapshotRequest{Snapshotter: snapshotter, Name: chain, Key: key})
	if err == nil {
		return nil
	}
	p.dropSnapshot(ctx, key)
	if !is(err, codes.AlreadyExists) {
		return err
	}
	_, err = p.keepSnapshot(ctx, chain) // another push was faster
	return err
}

func (p *push) apply(ctx context.Context, layer v1.Descriptor, diffID string, mounts []*types.Mount) error {
	applied, err := p.diff.Apply(ctx, &diff.ApplyRequest{Mounts: mounts,
		Diff: &types.Descriptor{MediaType: string(layer.MediaType), Digest: layer.Digest.String(), Size: layer.Size}})
	if err != nil {
		return err
	}
	if got := applied.Applied.Digest; got != diffID {
		return fmt.Errorf("its content is %s, the configuration says %s: the image is damaged", got, diffID)
	}
	return nil
}

// keepSnapshot takes an existing snapshot into the lease; false when there is none.
func (p *push) keepSnapshot(ctx context.Context, chain string) (bool, error) {
	_, err := p.snapshots.Stat(ctx, &snapshots.StatSnapshotRequest{Snapshotter: snapshotter, Key: chain})
	if is(err, codes.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = p.leases.AddResource(ctx, &leases.AddResourceRequest{ID: p.lease,
		Resource: &leases.Resource{ID: chain, Type: "snapshots/" + snapshotter}})
	if err != nil {
		return false, err
	}
	// It may have been collected in the instant before the lease had it.
	_, err = p.snapshots.Stat(ctx, &snapshots.StatSnapshotRequest{Snapshotter: snapshotter, Key: chain})
	if is(err, codes.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// dropSnapshot removes what a failed unpack left; what it cannot remove goes with the lease.
func (p *push) dropSnapshot(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	p.snapshots.Remove(ctx, &snapshots.RemoveSnapshotRequest{Snapshotter: snapshotter, Key: key})
}
