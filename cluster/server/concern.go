package server

import (
	"reflect"
	"slices"
	"sort"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/store"
)

// concern is all that concerns one node at one revision.
type concern struct {
	node *api.NodeSpec // nil: not part of the cluster
	// replicas by "replica/KEY", configs by "config/NAME@VERSION".
	replicas map[string]versioned[api.Assignment]
	configs  map[string]versioned[api.ConfigData]
	images   []string
}

// versioned is a value and the revisions that made it: equal ones need no look
// at the value.
type versioned[T any] struct {
	value   T
	version [2]int64
}

// concernOf finds what concerns a node: pure.
func concernOf(s *store.State, node string, images []string) concern {
	c := concern{images: images, replicas: map[string]versioned[api.Assignment]{}, configs: map[string]versioned[api.ConfigData]{}}
	spec, known := s.NodeSpecs()[node]
	if !known {
		return c
	}
	c.node = &spec
	for key, b := range s.Bindings[node] {
		revision, known := s.Revisions[b.Value.Pod][b.Value.Revision]
		if !known {
			continue // cannot run what nobody knows; the rollout binds anew
		}
		a := api.Assignment{Binding: b.Value, Template: revision.Value.Template}
		if slices.Contains(revision.Value.SealedFor, node) {
			a.Sealed = revision.Value.Sealed
		}
		c.replicas["replica/"+key] = versioned[api.Assignment]{a, [2]int64{b.ModRevision, revision.ModRevision}}
		c.addConfigs(s, a.Template.Init)
		c.addConfigs(s, a.Template.Containers)
	}
	return c
}

func (c *concern) addConfigs(s *store.State, containers []api.Container) {
	for _, container := range containers {
		for _, m := range container.Mounts {
			if m.Config == "" {
				continue
			}
			if k, known := s.Configs[m.Config][m.Version]; known {
				data := api.ConfigData{Name: m.Config, ConfigSpec: k.Value}
				c.configs["config/"+m.Config+"@"+m.Version] = versioned[api.ConfigData]{data, [2]int64{k.ModRevision}}
			}
		}
	}
}

// images are the refs that no agent may collect: pushed by an apply that may
// not have written the pods yet, and those of the pods' specs.
func images(s *store.State) []string {
	keep := map[string]bool{}
	for _, image := range s.Images() {
		keep[image.Ref] = true
	}
	for _, pod := range s.Pods() {
		for _, c := range append(append([]api.Container{}, pod.Template.Init...), pod.Template.Containers...) {
			keep[c.Image] = true
		}
	}
	refs := make([]string, 0, len(keep))
	for ref := range keep {
		refs = append(refs, ref)
	}
	sort.Strings(refs)
	return refs
}

// sent is what a stream's reader has.
type sent struct {
	synced   bool
	node     api.NodeSpec
	versions map[string][2]int64
	images   []string
}

func newSent() *sent { return &sent{versions: map[string][2]int64{}} }

// diff lists the updates that bring the reader up to date, configs before the
// replicas that mount them, and notes them as sent.
func (s *sent) diff(c concern) (updates []api.AssignmentUpdate) {
	if !s.synced || !reflect.DeepEqual(s.node, *c.node) {
		s.node = *c.node
		updates = append(updates, api.AssignmentUpdate{Type: "put", Node: c.node})
	}
	for _, key := range keys(c.configs) {
		v := c.configs[key]
		if s.note(key, v.version) {
			updates = append(updates, api.AssignmentUpdate{Type: "put", Config: &v.value})
		}
	}
	for _, key := range keys(c.replicas) {
		v := c.replicas[key]
		if s.note(key, v.version) {
			updates = append(updates, api.AssignmentUpdate{Type: "put", Replica: &v.value})
		}
	}
	gone := []string{}
	for key := range s.versions {
		_, config := c.configs[key]
		_, replica := c.replicas[key]
		if !config && !replica {
			gone = append(gone, key)
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(gone))) // replicas before their configs
	for _, key := range gone {
		delete(s.versions, key)
		updates = append(updates, api.AssignmentUpdate{Type: "delete", Key: key})
	}
	if !s.synced || !slices.Equal(s.images, c.images) {
		s.synced, s.images = true, c.images
		updates = append(updates, api.AssignmentUpdate{Type: "synced", KeepImages: c.images})
	}
	return updates
}

// note reports whether the reader lacks the version of a key.
func (s *sent) note(key string, version [2]int64) bool {
	if had, ok := s.versions[key]; ok && had == version {
		return false
	}
	s.versions[key] = version
	return true
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	sort.Strings(all)
	return all
}
