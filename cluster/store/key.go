package store

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/stowage-iac/stowage/api"
)

// root is the prefix of every key.
const root = "/stowage/v1/"

// join makes a key of escaped names below root.
func join(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return root + strings.Join(parts, "/")
}

// prefix is join for a range: everything below it.
func prefix(parts ...string) string { return join(parts...) + "/" }

// split undoes join; ok is false for a key that is not ours.
func split(key string) (parts []string, ok bool) {
	rest, ok := strings.CutPrefix(key, root)
	if !ok {
		return nil, false
	}
	parts = strings.Split(rest, "/")
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		if err != nil {
			return nil, false
		}
		parts[i] = s
	}
	return parts, true
}

func objectKey(kind api.Kind, name string) string { return join("objects", string(kind), name) }
func revisionKey(pod, revision string) string     { return join("revisions", pod, revision) }
func configKey(name, version string) string       { return join("configs", name, version) }
func healthKey(node string) string                { return join("health", node) }
func podCIDRKey(cidr string) string               { return join("podcidrs", cidr) }
func nodeStatusKey(node string) string            { return join("status", node, "node") }

func bindingKey(b api.Binding) string {
	return join("bindings", b.Node, b.Pod, strconv.Itoa(b.Slot))
}

func replicaKey(node, pod string, slot int) string {
	return join("status", node, "replica", pod, strconv.Itoa(slot))
}
