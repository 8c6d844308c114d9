package store

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stowage-iac/stowage/api"
)

const (
	maxName     = 253
	maxReplicas = 10000
)

// Validate checks an object before it is stored, so that controllers and agents
// meet well-formed ones only.
func Validate(o api.Object) error {
	if err := validName(o.Name); err != nil {
		return invalid(o, err.Error())
	}
	if o.Owner == "" {
		return invalid(o, "the owner (the state's lineage) is missing")
	}
	var reason string
	switch o.Kind {
	case api.KindNode:
		reason = check(o, checkNode)
	case api.KindPod:
		reason = check(o, checkPod)
	case api.KindConfig:
		reason = check(o, checkConfig)
	case api.KindImage:
		reason = check(o, checkImage)
	default:
		reason = "there is no such kind; this stowaged knows node, pod, config and image"
	}
	if reason != "" {
		return invalid(o, reason)
	}
	return nil
}

func invalid(o api.Object, reason string) error {
	return fmt.Errorf("%w: %s.%s: %s", ErrInvalid, o.Kind, o.Name, reason)
}

func check[T any](o api.Object, reason func(name string, spec T) string) string {
	var spec T
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return "its spec is not what the kind needs: " + err.Error()
	}
	return reason(o.Name, spec)
}

func validName(name string) error {
	switch {
	case name == "", name == ".", name == "..":
		return fmt.Errorf("%q is no name", name)
	case len(name) > maxName:
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name %q has characters that cannot be printed", name)
	}
	return nil
}

func checkNode(name string, s api.NodeSpec) string {
	switch {
	case s.Name != name:
		return fmt.Sprintf("its spec is named %q", s.Name)
	case s.Role != api.RoleManager && s.Role != api.RoleWorker:
		return fmt.Sprintf("role %q is neither %s nor %s", s.Role, api.RoleManager, api.RoleWorker)
	case s.Address == "":
		return "the address is missing"
	}
	return ""
}

func checkPod(_ string, s api.PodSpec) string {
	switch {
	case s.Replicas < 0 || s.Replicas > maxReplicas:
		return fmt.Sprintf("%d replicas: must be 0 to %d", s.Replicas, maxReplicas)
	case len(s.Placement) != s.Replicas:
		return fmt.Sprintf("%d placements for %d replicas", len(s.Placement), s.Replicas)
	case s.Revision != api.TemplateRevision(s.Template):
		return fmt.Sprintf("revision %q is not the hash of the template (%s)", s.Revision, api.TemplateRevision(s.Template))
	case len(s.Template.Containers) == 0:
		return "a pod needs a container"
	}
	for slot, node := range s.Placement {
		if node == "" {
			return fmt.Sprintf("slot %d has no node", slot)
		}
	}
	seen := map[string]bool{}
	for _, c := range append(append([]api.Container{}, s.Template.Init...), s.Template.Containers...) {
		if c.Name == "" || c.Image == "" {
			return "every container needs a name and an image"
		}
		if seen[c.Name] {
			return fmt.Sprintf("two containers are named %q", c.Name)
		}
		seen[c.Name] = true
	}
	return ""
}

func checkConfig(_ string, s api.ConfigSpec) string {
	if s.Version == "" {
		return "the version is missing"
	}
	for name := range s.Files {
		if name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || strings.ContainsRune(name, 0) {
			return fmt.Sprintf("%q is no relative file name", name)
		}
	}
	return ""
}

func checkImage(_ string, s api.ImageSpec) string {
	if !strings.Contains(s.Ref, "@sha256:") {
		return fmt.Sprintf("ref %q must end in a digest (NAME@sha256:…)", s.Ref)
	}
	return ""
}
