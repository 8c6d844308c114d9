package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Resolve asks the registry for the digest of a reference. Layers are streamed
// from the registry when they are pushed. Credentials come from ~/.docker/config.json.
// Errors are ErrNotFound, ErrUnauthorized, ErrUnreachable (errors.Is), each naming the reference.
func Resolve(ctx context.Context, ref string) (*Image, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, fmt.Errorf("%q is not an image reference: %w", ref, err)
	}
	// The image keeps the context for what it reads later: it is cancelled with
	// ctx during this call, and not after it.
	kept, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	desc, err := remote.Get(r, remote.WithContext(kept), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, explain(ref, err)
	}
	local := localName(r)
	if desc.MediaType.IsIndex() {
		idx, err := desc.ImageIndex()
		if err != nil {
			return nil, explain(ref, err)
		}
		i, err := imageOf(local, idx, func(err error) error { return explain(ref, err) })
		return i, explain(ref, err)
	}
	if !desc.MediaType.IsImage() {
		return nil, fmt.Errorf("%s is a %s, not an image that runs", ref, desc.MediaType)
	}
	img, err := desc.Image()
	if err != nil {
		return nil, explain(ref, err)
	}
	i, err := singleImage(local, img)
	return i, explain(ref, err)
}

// localName is the repository as containerd writes it.
func localName(r name.Reference) string {
	registry := r.Context().RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io"
	}
	return registry + "/" + r.Context().RepositoryStr()
}

// explain tells what a registry's error means.
func explain(ref string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var answer *transport.Error
	var network *url.Error
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrUnauthorized), errors.Is(err, ErrUnreachable):
		return err // explained already
	case errors.As(err, &network):
		return fmt.Errorf("%s: %w: %w", ref, ErrUnreachable, err)
	case !errors.As(err, &answer):
		return fmt.Errorf("%s: %w", ref, err)
	}
	switch code := answer.StatusCode; {
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: %s: its registry does not have it; check the name and the tag", ErrNotFound, ref)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%s: %w (%d): it is private or does not exist; log in with `docker login %s`, or check the name",
			ref, ErrUnauthorized, code, registryOf(ref))
	case code == http.StatusTooManyRequests:
		return fmt.Errorf("%s: %w now: too many requests from this address; try again later or log in", ref, ErrUnreachable)
	default:
		return fmt.Errorf("%s: %w: it answers %d: %w", ref, ErrUnreachable, code, err)
	}
}

func registryOf(ref string) string {
	r, err := name.ParseReference(ref)
	if err != nil {
		return strings.SplitN(ref, "/", 2)[0]
	}
	return r.Context().RegistryStr()
}
