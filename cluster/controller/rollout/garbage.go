package rollout

import (
	"sort"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/store"
)

// revisionsKept is how many earlier revisions of a pod stay for a rollback.
const revisionsKept = 2

// stale lists the revisions of pods and the versions of configs that nothing
// uses: not the spec, no binding, and not among a pod's latest.
func stale(s *store.State) (revisions, configs []entry) {
	bound := map[entry]bool{}
	for _, node := range s.Bindings {
		for _, b := range node {
			bound[entry{name: b.Value.Pod, version: b.Value.Revision}] = true
		}
	}
	used := map[entry]bool{}
	for pod, kept := range s.Revisions {
		spec, exists := s.Pods()[pod]
		earlier := []entry{}
		for revision, k := range kept {
			e := entry{name: pod, version: revision}
			if exists && revision == spec.Revision || bound[e] {
				uses(used, k.Value.Template)
				continue
			}
			e.modRevision = k.ModRevision
			earlier = append(earlier, e)
		}
		sort.Slice(earlier, func(i, j int) bool { return earlier[i].modRevision > earlier[j].modRevision })
		for i, e := range earlier {
			if exists && i < revisionsKept {
				uses(used, kept[e.version].Value.Template)
			} else {
				revisions = append(revisions, e)
			}
		}
	}
	return revisions, staleConfigs(s, used)
}

func staleConfigs(s *store.State, used map[entry]bool) (configs []entry) {
	for name, versions := range s.Configs {
		o, exists := s.Objects[api.KindConfig][name]
		for version, k := range versions {
			if used[entry{name: name, version: version}] || exists && o.ModRevision <= k.ModRevision {
				continue
			}
			configs = append(configs, entry{name: name, version: version, modRevision: k.ModRevision})
		}
	}
	return configs
}

// entry is a revision of a pod or a version of a config.
type entry struct {
	name, version string
	modRevision   int64
}

// uses notes the configs that a template mounts.
func uses(used map[entry]bool, t api.PodTemplate) {
	for _, containers := range [][]api.Container{t.Init, t.Containers} {
		for _, c := range containers {
			for _, m := range c.Mounts {
				if m.Config != "" {
					used[entry{name: m.Config, version: m.Version}] = true
				}
			}
		}
	}
}
