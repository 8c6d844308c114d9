package containerd

import (
	"context"
	"fmt"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// contentTimeout bounds ContentRoot: a daemon that is away takes no content.
const contentTimeout = 5 * time.Second

// ContentRoot is the directory of the daemon's content store. It is an error where
// the daemon would not adopt content that lies there: where its namespaces are
// isolated, or its store is not its own.
func (r *Runtime) ContentRoot(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, contentTimeout)
	defer cancel()
	list, err := r.c.IntrospectionService().Plugins(ctx, "type==io.containerd.content.v1,id==content", "type==io.containerd.metadata.v1")
	if err != nil {
		return "", classify(err)
	}
	root, policy := "", ""
	for _, p := range list.Plugins {
		if p.InitErr == nil {
			root, policy = root+p.Exports["root"], policy+p.Exports["policy"]
		}
	}
	if root == "" || policy != "shared" {
		return "", &api.Error{Code: "unavailable", Message: fmt.Sprintf("containerd at %s would not adopt content: its store is in %q, its content_sharing_policy is %q", r.o.Socket, root, policy)}
	}
	return root, nil
}
