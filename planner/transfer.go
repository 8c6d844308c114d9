package planner

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
)

// transfers finds the image content that nodes lack.
func (m *maker) transfers(ctx context.Context) {
	t := transferPlan{maker: m, has: map[string]map[string]bool{}, sources: map[string]*imageSource{}, at: map[transferKey]int{}}
	for _, p := range m.pods {
		t.pod(ctx, p)
	}
	t.measure(ctx)
	sort.SliceStable(m.plan.Transfers, func(i, j int) bool {
		a, b := &m.plan.Transfers[i], &m.plan.Transfers[j]
		if c := lang.CompareAddresses(a.Image, b.Image); c != 0 {
			return c < 0
		}
		if a.Ref != b.Ref {
			return a.Ref < b.Ref
		}
		return a.Node < b.Node
	})
}

type transferPlan struct {
	*maker
	has     map[string]map[string]bool // node → refs that are there
	sources map[string]*imageSource    // by ref
	at      map[transferKey]int        // in plan.Transfers
}

type transferKey struct{ ref, node string }

// imageSource is where the content of a ref comes from.
type imageSource struct {
	img     *image.Image
	address string // of the instance that holds it
	name    string // to show: the address of an image, or the reference as written
}

// pod adds what a changing pod needs. One that does not change has its images:
// agents keep what runs.
func (t *transferPlan) pod(ctx context.Context, p *podPlan) {
	c := p.change
	if c.Action == NoOp || len(c.Placement) == 0 {
		return
	}
	nodes := distinct(c.Placement)
	for _, ref := range p.cargo.Images {
		for _, node := range nodes {
			t.need(ctx, c, ref, node)
		}
	}
	if p.cargo.UnknownImages == 0 {
		return
	}
	for _, node := range nodes {
		t.plan.Transfers = append(t.plan.Transfers, Transfer{
			Image: c.Address, Node: node, Unknown: true, Pods: []string{c.Address}, source: c.Address,
		})
	}
}

// distinct are the names in a list, sorted, each once, without "". It may be the list itself.
func distinct(list []string) []string {
	if len(list) == 1 && list[0] != "" {
		return list[:1:1]
	}
	out := make([]string, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	sort.Strings(out)
	return out
}

func (t *transferPlan) need(ctx context.Context, c *Change, ref, node string) {
	if t.present(node, ref) {
		return
	}
	key := transferKey{ref, node}
	if i, ok := t.at[key]; ok {
		tr := &t.plan.Transfers[i]
		if tr.Pods[len(tr.Pods)-1] != c.Address {
			tr.Pods = append(tr.Pods, c.Address)
		}
		return
	}
	src, ok := t.sources[ref]
	if !ok {
		src = t.find(ctx, c, ref)
		t.sources[ref] = src
	}
	if src == nil {
		return
	}
	t.at[key] = len(t.plan.Transfers)
	t.plan.Transfers = append(t.plan.Transfers, Transfer{
		Image: src.name, Ref: ref, Node: node, Pods: []string{c.Address}, source: src.address, img: src.img,
	})
}

// present reports whether the node's agent lists the image.
func (t *transferPlan) present(node, ref string) bool {
	refs, ok := t.has[node]
	if !ok {
		refs = map[string]bool{}
		if w := t.in.World; w != nil {
			if h := w.Hosts[node]; h != nil && h.Local != nil {
				for _, r := range h.Local.Node.Images {
					refs[r] = true
				}
			}
		}
		t.has[node] = refs
	}
	return refs[ref]
}

// find opens the content of a ref: an image block that the pod depends on, or the
// pod's own registry reference.
func (t *transferPlan) find(ctx context.Context, c *Change, ref string) *imageSource {
	candidates := []*Change{}
	for _, d := range c.Deps {
		candidates = append(candidates, t.instances(d)...)
	}
	candidates = append(candidates, c)
	for _, h := range candidates {
		k := t.kinds[h.Kind]
		if k.imager == nil || h.Action.ends() {
			continue
		}
		img, ok, err := k.imager.Content(ctx, h.id(), h.After, ref, t.in.BaseDir)
		if err != nil {
			t.diags = append(t.diags, errorf(t.subject(h.Address), "Image not readable", fmt.Sprintf(
				"The content of %s (%s) cannot be opened: %s.", h.Address, ref, err)))
			return nil
		}
		if ok {
			return &imageSource{img: img, address: h.Address, name: shown(h, c, ref)}
		}
	}
	t.diags = append(t.diags, errorf(t.subject(c.Address), "Image without a source", fmt.Sprintf(
		"%s needs the image %s, and nothing that it refers to has its content. Use an image block, or a registry reference.", c.Address, ref)))
	return nil
}

func shown(holder, pod *Change, ref string) string {
	if holder != pod {
		return holder.Address
	}
	name, _, _ := strings.Cut(ref, "@")
	return name
}

// instances are the changes that a dependency stands for.
func (m *maker) instances(dep string) []*Change {
	if c := m.changes[dep]; c != nil && !c.Action.ends() {
		return []*Change{c}
	}
	if b := m.blocks[dep]; b != nil {
		return b.instances
	}
	return nil
}

// measure fills in the bytes, asking each node once and all at the same time.
func (t *transferPlan) measure(ctx context.Context) {
	byNode := map[string][]int{}
	for i, tr := range t.plan.Transfers {
		if !tr.Unknown {
			byNode[tr.Node] = append(byNode[tr.Node], i)
		}
	}
	nodes := sortedKeys(byNode)
	problems := make([]string, len(nodes))
	var g errgroup.Group
	g.SetLimit(16)
	for i, node := range nodes {
		g.Go(func() error {
			problems[i] = t.node(ctx, node, byNode[node])
			return nil
		})
	}
	_ = g.Wait() // the functions report through problems
	for _, detail := range problems {
		if detail != "" {
			t.diags = append(t.diags, errorf(nil, "Images of a node not readable", detail))
		}
	}
}

// node measures the transfers to one node; each goroutine writes its own elements.
func (t *transferPlan) node(ctx context.Context, node string, transfers []int) string {
	platform := t.platform(node)
	images := make([]*image.Image, len(transfers))
	for i, at := range transfers {
		tr := &t.plan.Transfers[at]
		images[i] = t.sources[tr.Ref].img
		size, err := images[i].Size(platform)
		if err != nil {
			return fmt.Sprintf("The image %s (%s) cannot go to node.%s (%s): %s.", tr.Image, tr.Ref, node, platform, err)
		}
		tr.Bytes, tr.Total = size, size
	}
	if t.in.Images == nil || !t.reachable(node) {
		return ""
	}
	missing, err := t.in.Images.Missing(ctx, node, platform, images)
	if err != nil {
		return fmt.Sprintf("What node.%s has of the images it needs cannot be read: %s.", node, err)
	}
	for i, at := range transfers {
		t.plan.Transfers[at].Bytes = missing[i]
	}
	return ""
}

// reachable reports whether refresh saw a containerd on the node; a bare host has no images.
func (t *transferPlan) reachable(node string) bool {
	w := t.in.World
	if w == nil {
		return false
	}
	h := w.Hosts[node]
	return h != nil && h.Err == nil && h.Facts.Containerd != ""
}

func (m *maker) platform(node string) string { return "linux/" + m.fleet.facts[node].Arch }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
