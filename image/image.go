// Package image makes OCI images without a Dockerfile, finds out what a host
// lacks of them, and pushes just that into the host's containerd over an SSH
// tunnel: no registry needed.
package image

import (
	"context"
	"errors"
	"net"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Sentinels, for errors.Is.
var (
	ErrNotFound     = errors.New("no such image")
	ErrUnauthorized = errors.New("the registry refuses access")
	ErrUnreachable  = errors.New("the registry cannot be reached")
	ErrPlatform     = errors.New("the image is not for this platform")
)

// Image is an image of one or several platforms. Its digest is known; its layers
// are read when they are pushed. Safe for concurrent use.
type Image struct {
	// Ref names it in containerd: stowage.local/web@sha256:… or docker.io/library/nginx@sha256:…
	Ref string
	// Digest of the manifest, or of the index when it has several platforms: sha256:…
	Digest string
	// Platforms, sorted: linux/amd64, linux/arm64.
	Platforms []string
}

// Layer describes a layer as it is sent.
type Layer struct {
	Digest string // sha256:…, of the compressed bytes
	Size   int64  // compressed
}

// Size is the compressed size of what a host of the platform needs: manifests, config and layers.
func (i *Image) Size(platform string) (int64, error) { return 0, nil }

// Layers of a platform, lowest first.
func (i *Image) Layers(platform string) ([]Layer, error) { return nil, nil }

// Config is the image's configuration for a platform.
func (i *Image) Config(platform string) (*v1.ConfigFile, error) { return nil, nil }

// Spec says how to build an image.
type Spec struct {
	Name    string // web or web["a"]: Ref is stowage.local/web@sha256:…
	BaseDir string // that relative paths are relative to
	// From is "" or "scratch", an OCI layout directory, a docker or OCI tarball (a
	// path that exists), or a registry reference.
	From       string
	Copies     []Copy // one layer each
	Entrypoint []string
	Command    []string
	Env        []string // NAME=value, added to the base's
	User       string
	WorkDir    string
	Labels     map[string]string
	// Platforms, e.g. linux/amd64; default this machine's architecture. Several make an index.
	Platforms []string
}

// Copy puts a file, or what is in a directory, at To.
type Copy struct {
	Source string
	To     string // absolute; with a trailing slash a file keeps its name
	Owner  string // "uid" or "uid:gid", numbers; default 0:0
	Mode   string // octal, of files; directories get x where r is; default: the source's
	// Platform limits the copy to one platform; "" is all.
	Platform string
}

// Build makes an image. The same content gives the same digest on every machine.
// Layers are cached by content in the user's cache directory.
func Build(ctx context.Context, spec Spec) (*Image, error) { return nil, nil }

// Resolve asks the registry for the digest of a reference. Layers are streamed
// from the registry when they are pushed. Credentials come from ~/.docker/config.json.
// Errors are ErrNotFound, ErrUnauthorized, ErrUnreachable (errors.Is), each naming the reference.
func Resolve(ctx context.Context, ref string) (*Image, error) { return nil, nil }

// Dialer connects to a host's containerd, e.g. ssh.Host.Dial of api.ContainerdSock.
type Dialer func(ctx context.Context) (net.Conn, error)

// Missing tells for each image how many bytes the host's containerd lacks: what
// Push would send if the images were pushed one after the other.
func Missing(ctx context.Context, dial Dialer, platform string, images ...*Image) ([]int64, error) {
	return nil, nil
}

// PushOptions of Push.
type PushOptions struct {
	Platform string // of the host, e.g. linux/amd64
	// Labels of the image record, e.g. api.LabelCluster.
	Labels map[string]string
	// Progress is told of the bytes sent so far and the bytes to send. May be nil.
	Progress func(sent, total int64)
}

// Pushed is what Push did.
type Pushed struct {
	Sent  int64 // bytes of content sent
	Blobs int   // blobs sent
}

// Push brings the image into the host's containerd: what is missing there is
// sent, layers are unpacked, and the image record is made last. Interrupted at
// any instant, the next Push goes on where it stopped.
func Push(ctx context.Context, dial Dialer, img *Image, o PushOptions) (Pushed, error) {
	return Pushed{}, nil
}

// Remove deletes the image record; containerd then collects what nothing else
// uses. No error when there is none.
func Remove(ctx context.Context, dial Dialer, ref string) error { return nil }
