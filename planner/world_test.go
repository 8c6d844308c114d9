package planner_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/ssh"
)

// world is a cluster in memory, for speed: hosts, a store of objects and the
// controllers' bindings. Its kinds keep the contract of providers.Kind
// (TestKindsKeepTheContract); real hosts are driven by test/e2e.
type world struct {
	mu       sync.Mutex
	revision int64
	objects  map[string]api.Object     // by address
	hosts    map[string]api.NodeFacts  // by node name: what is there to be joined
	joined   map[string]bool           // by node name
	bindings map[string]map[int]string // pod → slot → node
	log      []string                  // what was done, in order
	lives    map[string]int            // by address: how often it was made
	frozen   error                     // nothing can be done any more: the process is dead
	fail     map[string]error          // by address, or "delete ", "put " and address: Apply fails
	during   func(address string)      // called within every Apply
	facts    map[string]string         // what data "fact" blocks read
	reads    []string                  // the addresses that were read, in order
	reading  func(ctx context.Context) // called within every read
}

func newWorld() *world {
	return &world{objects: map[string]api.Object{}, hosts: map[string]api.NodeFacts{}, joined: map[string]bool{},
		bindings: map[string]map[int]string{}, lives: map[string]int{}, fail: map[string]error{}, facts: map[string]string{}}
}

func (w *world) kinds() map[string]providers.Kind {
	return map[string]providers.Kind{
		"node": nodeKind{w}, "pod": podKind{w}, "config": configKind{w}, "secret": secretKind{w},
		"data.fact": data.Kind{Source: factSource{w}},
	}
}

func (w *world) schemas() map[string]*schema.Block {
	m := map[string]*schema.Block{}
	for name, k := range w.kinds() {
		m[name] = k.Schema()
	}
	return m
}

// view is what a refresh would read.
func (w *world) view() *providers.World {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := &providers.World{Hosts: map[string]*providers.HostWorld{}}
	for name, f := range w.hosts {
		v.Hosts[name] = &providers.HostWorld{Facts: f}
	}
	if len(w.joined) == 0 {
		return v
	}
	v.Cluster = &api.ClusterView{Revision: w.revision}
	for _, o := range w.objects {
		v.Cluster.Objects = append(v.Cluster.Objects, o)
	}
	sort.Slice(v.Cluster.Objects, func(i, j int) bool { return v.Cluster.Objects[i].Name < v.Cluster.Objects[j].Name })
	for pod, slots := range w.bindings {
		for slot, node := range slots {
			v.Cluster.Bindings = append(v.Cluster.Bindings, api.Binding{Pod: pod, Slot: slot, Node: node})
		}
	}
	return v
}

// dump is the world as text: two worlds with the same text are the same world.
func (w *world) dump() string {
	var b strings.Builder
	for _, address := range sortedKeys(w.objects) {
		fmt.Fprintf(&b, "%s %s\n", address, w.objects[address].Spec)
	}
	for _, name := range sortedKeys(w.joined) {
		fmt.Fprintf(&b, "joined %s\n", name)
	}
	for _, pod := range sortedKeys(w.bindings) {
		fmt.Fprintf(&b, "bound %s %v\n", pod, w.bindings[pod])
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var errDead = errors.New("the process is dead")

// act does one thing to the world, unless the process is dead or told to fail.
func (w *world) act(req providers.ApplyRequest, do func() error) error {
	if w.during != nil {
		w.during(req.Address)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen != nil {
		return w.frozen
	}
	verb := "put"
	if req.Planned.IsNull() {
		verb = "delete"
	}
	if err := cmp.Or(w.fail[req.Address], w.fail[verb+" "+req.Address]); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	w.log = append(w.log, verb+" "+req.Address)
	return nil
}

func (w *world) put(req providers.ApplyRequest, spec any) error {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	at, _ := lang.ParseAddress(strings.TrimSuffix(req.Address, " (left behind)"))
	key := objectOf(req)
	o, ok := w.objects[key]
	if ok && o.Owner != req.Env.Lineage() {
		return fmt.Errorf("%s is managed by another state", req.Address)
	}
	if !ok {
		w.lives[req.Address]++
	}
	w.revision++
	w.objects[key] = api.Object{Kind: api.Kind(at.Kind), Name: req.Object, Owner: req.Env.Lineage(), ModRevision: w.revision, Spec: raw}
	return nil
}

// own hands an object over.
func (w *world) own(_ context.Context, kind api.Kind, name, from, to string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen != nil {
		return w.frozen
	}
	key := providers.AddressOf(string(kind), name)
	o, ok := w.objects[key]
	if !ok {
		return client.ErrNotFound
	}
	if o.Owner != from && o.Owner != to {
		return client.ErrForeignOwner
	}
	w.revision++
	o.Owner, o.ModRevision = to, w.revision
	w.objects[key] = o
	w.log = append(w.log, "own "+key)
	return nil
}

// objectOf is where the world keeps an instance's object.
func objectOf(req providers.ApplyRequest) string {
	at, _ := lang.ParseAddress(strings.TrimSuffix(req.Address, " (left behind)"))
	return providers.AddressOf(at.Kind, req.Object)
}

func refused(req providers.ApplyRequest, err error) providers.ApplyResponse {
	return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Not applied", fmt.Sprintf("%s: %s.", req.Address, err)), Passing: providers.Passing(err)}
}

// factSource reads a fact by its name, which the world knows or does not.
type factSource struct{ w *world }

var factBlock = &schema.Block{Attributes: map[string]*schema.Attribute{
	"name":      {Type: cty.String, Required: true},
	"sensitive": data.SensitiveArgument(false),
	"value":     {Type: cty.String, Computed: true},
	"parts":     {Type: cty.DynamicPseudoType, Computed: true}, // open and secret
}}

func (factSource) Type() string          { return "fact" }
func (factSource) Schema() *schema.Block { return factBlock }
func (factSource) Concealed() []string   { return []string{"value"} }

func (s factSource) Read(ctx context.Context, req data.Request) data.Response {
	if s.w.reading != nil {
		s.w.reading(ctx)
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.reads = append(s.w.reads, req.Address)
	name := providers.Str(req.Config, "name")
	fact, ok := s.w.facts[name]
	if !ok {
		return data.Failed(providers.ErrorAt(cty.GetAttrPath("name"), "Unknown fact", fmt.Sprintf("%s: nobody knows %q.", req.Address, name)))
	}
	value := cty.StringVal(fact)
	if providers.Bool(req.Config, "sensitive") {
		value = value.WithMarks(lang.Sensitive)
	}
	return data.Response{Values: map[string]cty.Value{"value": value, "parts": cty.ObjectVal(map[string]cty.Value{
		"open": cty.StringVal(fact), "a.b": cty.TupleVal([]cty.Value{cty.StringVal("secret " + fact).WithMarks(lang.Sensitive)}),
	})}}
}

// configKind is a text in the store.
type configKind struct{ w *world }

var configBlock = &schema.Block{Attributes: map[string]*schema.Attribute{
	"text":    {Type: cty.String, Optional: true},
	"labels":  {Type: cty.Map(cty.String), Optional: true},
	"frozen":  {Type: cty.String, Optional: true, Replace: "it is fixed when it is made"},
	"version": {Type: cty.String, Computed: true},
	"serial":  {Type: cty.Number, Computed: true},
}}

type configSpec struct {
	Text, Frozen string
	Labels       map[string]string
	Serial       int64
}

func (configKind) Name() string          { return "config" }
func (configKind) Schema() *schema.Block { return configBlock }

func (configKind) Plan(req providers.PlanRequest) providers.PlanResponse {
	text, _ := req.Config.GetAttr("text").Unmark()
	version := cty.UnknownVal(cty.String)
	if text.IsKnown() {
		version = cty.StringVal("v:" + providers.Str(req.Config, "text"))
	}
	serial := cty.UnknownVal(cty.Number)
	if !req.Prior.IsNull() {
		serial = req.Prior.GetAttr("serial")
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{"version": version, "serial": serial})}
}

func (configKind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World.Cluster == nil || req.Prior.IsNull() {
		return providers.ReadResponse{Value: req.Prior}
	}
	o := req.World.Object(api.KindConfig, req.Object)
	if o == nil {
		return providers.ReadResponse{Value: cty.NullVal(req.Prior.Type())}
	}
	var spec configSpec
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		panic(err)
	}
	if spec.Text == providers.Str(req.Prior, "text") {
		return providers.ReadResponse{Value: req.Prior}
	}
	return providers.ReadResponse{Value: providers.With(req.Prior, map[string]cty.Value{
		"text": cty.StringVal(spec.Text), "version": cty.StringVal("v:" + spec.Text)})}
}

func (k configKind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if req.Planned.IsNull() {
		return drop(k.w, req)
	}
	spec := configSpec{Text: providers.Str(req.Planned, "text"), Frozen: providers.Str(req.Planned, "frozen"), Labels: providers.StrMap(req.Planned, "labels")}
	value := req.Planned
	err := k.w.act(req, func() error {
		// The serial numbers the object's lives, so that a replacement is told from an update.
		spec.Serial = 1
		if !req.Prior.IsNull() {
			spec.Serial = providers.Int(req.Prior, "serial")
		}
		return k.w.put(req, spec)
	})
	if err != nil {
		return refused(req, err)
	}
	return providers.ApplyResponse{Value: providers.With(value, map[string]cty.Value{
		"version": cty.StringVal("v:" + spec.Text), "serial": cty.NumberIntVal(spec.Serial)})}
}

func drop(w *world, req providers.ApplyRequest) providers.ApplyResponse {
	err := w.act(req, func() error {
		delete(w.objects, objectOf(req))
		delete(w.bindings, req.Object)
		return nil
	})
	if err != nil {
		return refused(req, err)
	}
	return providers.ApplyResponse{Value: req.Planned}
}

// secretKind is a sensitive value that apply makes; nothing of it is in the store.
type secretKind struct{ w *world }

var secretBlock = &schema.Block{Attributes: map[string]*schema.Attribute{
	"length": {Type: cty.Number, Optional: true, Default: cty.NumberIntVal(8)},
	"value":  {Type: cty.String, Optional: true, Computed: true, Sensitive: true},
}}

func (secretKind) Name() string                  { return "secret" }
func (secretKind) OutsideCluster(cty.Value) bool { return true }
func (secretKind) Schema() *schema.Block         { return secretBlock }

func (secretKind) Plan(req providers.PlanRequest) providers.PlanResponse {
	value := req.Config.GetAttr("value")
	if plain, _ := value.Unmark(); plain.IsNull() {
		value = cty.UnknownVal(cty.String)
		if !req.Prior.IsNull() && req.Prior.GetAttr("length").RawEquals(req.Config.GetAttr("length")) {
			value = req.Prior.GetAttr("value")
		}
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{"value": value})}
}

func (secretKind) Read(req providers.ReadRequest) providers.ReadResponse {
	return providers.ReadResponse{Value: req.Prior}
}

func (k secretKind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if err := k.w.act(req, func() error { return nil }); err != nil {
		return refused(req, err)
	}
	if req.Planned.IsNull() {
		return providers.ApplyResponse{Value: req.Planned}
	}
	value, _ := req.Planned.GetAttr("value").Unmark()
	if !value.IsKnown() {
		value = cty.StringVal(strings.Repeat("s", int(providers.Int(req.Planned, "length"))))
	}
	return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{"value": value.WithMarks(lang.Sensitive)})}
}

// nodeKind is a host of world.hosts.
type nodeKind struct{ w *world }

var nodeBlock = &schema.Block{
	Attributes: map[string]*schema.Attribute{
		"address":     {Type: cty.String, Required: true, Replace: "another host is another node"},
		"role":        {Type: cty.String, Optional: true, Replace: "a node keeps its role"},
		"schedulable": {Type: cty.Bool, Optional: true},
		"labels":      {Type: cty.Map(cty.String), Optional: true},
		"ready":       {Type: cty.Bool, Computed: true},
	},
	Blocks: map[string]*schema.NestedBlock{
		"taint": {Nesting: schema.List, Label: "key", Block: schema.Block{Attributes: map[string]*schema.Attribute{
			"effect": {Type: cty.String, Optional: true, Default: cty.StringVal("no_schedule")},
		}}},
	},
}

func (nodeKind) Name() string          { return "node" }
func (nodeKind) Schema() *schema.Block { return nodeBlock }

func (nodeKind) Plan(req providers.PlanRequest) providers.PlanResponse {
	ready := cty.UnknownVal(cty.Bool)
	if !req.Prior.IsNull() && providers.Bool(req.Prior, "ready") {
		ready = cty.True
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{"ready": ready})}
}

func (k nodeKind) Machine(id providers.Identity, v cty.Value) (providers.Machine, bool, hcl.Diagnostics) {
	v, _ = v.UnmarkDeep()
	if providers.IsNull(v) || !v.GetAttr("address").IsKnown() || !v.GetAttr("labels").IsWhollyKnown() {
		return providers.Machine{}, false, nil
	}
	name := id.Object
	m := providers.Machine{
		SSH: ssh.Config{Name: name, Address: providers.Str(v, "address")},
		Spec: api.NodeSpec{Name: name, Address: providers.Str(v, "address"), Role: providers.Str(v, "role"),
			Schedulable: providers.Bool(v, "schedulable"), Labels: providers.StrMap(v, "labels")},
		SchedulableSet: !v.GetAttr("schedulable").IsNull(),
	}
	for _, t := range providers.Objects(v, "taint") {
		m.Spec.Taints = append(m.Spec.Taints, api.Taint{Key: providers.Str(t, "key"), Effect: providers.Str(t, "effect")})
	}
	return m, true, nil
}

func (nodeKind) Read(req providers.ReadRequest) providers.ReadResponse {
	return providers.ReadResponse{Value: req.Prior}
}

func (k nodeKind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	name := req.Object
	if req.Planned.IsNull() {
		err := k.w.act(req, func() error {
			if k.w.joined[name] && len(k.w.joined) == 1 && len(k.w.bindings) > 0 {
				return fmt.Errorf("the last node leaves and %v are still bound", k.w.bindings)
			}
			delete(k.w.objects, objectOf(req))
			delete(k.w.joined, name)
			return nil
		})
		if err != nil {
			return refused(req, err)
		}
		return providers.ApplyResponse{Value: req.Planned}
	}
	err := k.w.act(req, func() error {
		k.w.joined[name] = true
		return k.w.put(req, map[string]any{"labels": providers.StrMap(req.Planned, "labels")})
	})
	if err != nil {
		return refused(req, err)
	}
	return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{"ready": cty.True})}
}

// podKind has replicas on nodes.
type podKind struct{ w *world }

var podBlock = &schema.Block{
	Attributes: map[string]*schema.Attribute{
		"replicas":  {Type: cty.Number, Optional: true, Default: cty.NumberIntVal(1)},
		"cpu":       {Type: cty.Number, Optional: true},
		"where":     {Type: cty.String, Optional: true},
		"tolerate":  {Type: cty.List(cty.String), Optional: true},
		"on_all":    {Type: cty.Bool, Optional: true},
		"host_port": {Type: cty.Number, Optional: true},
		"config":    {Type: schema.RefType, Optional: true, Ref: &schema.Ref{Kinds: []string{"config"}}},
		"nodes":     {Type: cty.List(cty.String), Computed: true},
		"revision":  {Type: cty.String, Computed: true},
	},
	Blocks: map[string]*schema.NestedBlock{
		"container": {Nesting: schema.List, Label: "name", Block: schema.Block{
			Attributes: map[string]*schema.Attribute{
				"image": {Type: cty.String, Optional: true},
				"env":   {Type: cty.Map(cty.String), Optional: true},
			},
			Blocks: map[string]*schema.NestedBlock{
				"port": {Nesting: schema.List, Label: "name", Block: schema.Block{Attributes: map[string]*schema.Attribute{
					"container": {Type: cty.Number, Required: true},
				}}},
			},
		}},
	},
}

func (podKind) Overlap() (providers.Overlap, string)    { return providers.Beside, "" }
func (configKind) Overlap() (providers.Overlap, string) { return providers.InPlace, "" }
func (nodeKind) Overlap() (providers.Overlap, string) {
	return providers.NoOverlap, "a host is one node"
}

func (podKind) Name() string          { return "pod" }
func (podKind) Schema() *schema.Block { return podBlock }

func (podKind) Plan(req providers.PlanRequest) providers.PlanResponse {
	if !req.Prior.IsNull() {
		kept := providers.With(req.Config, map[string]cty.Value{"nodes": req.Prior.GetAttr("nodes"), "revision": req.Prior.GetAttr("revision")})
		if kept.RawEquals(req.Prior) {
			return providers.PlanResponse{Planned: req.Prior}
		}
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{
		"nodes": cty.UnknownVal(cty.List(cty.String)), "revision": cty.UnknownVal(cty.String)})}
}

func (podKind) Cargo(id providers.Identity, v cty.Value) (providers.Cargo, bool, hcl.Diagnostics) {
	v, _ = v.UnmarkDeep()
	if providers.IsNull(v) || !v.GetAttr("replicas").IsKnown() || !v.GetAttr("cpu").IsKnown() {
		return providers.Cargo{}, false, nil
	}
	c := providers.Cargo{Replicas: int(providers.Int(v, "replicas"))}
	c.Request = scheduler.Request{Pod: id.Object, MilliCPU: providers.Int(v, "cpu"), Where: providers.Str(v, "where"),
		OnAll: providers.Bool(v, "on_all"), Tolerate: providers.Strs(v, "tolerate")}
	if c.Request.OnAll {
		c.Replicas = 0
	}
	if p := providers.Int(v, "host_port"); p != 0 {
		c.Request.HostPorts = []string{fmt.Sprintf("%d/tcp", p)}
	}
	return c, true, nil
}

func (podKind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World.Cluster == nil || req.Prior.IsNull() {
		return providers.ReadResponse{Value: req.Prior}
	}
	if req.World.Object(api.KindPod, req.Object) == nil {
		return providers.ReadResponse{Value: cty.NullVal(req.Prior.Type())}
	}
	return providers.ReadResponse{Value: req.Prior}
}

func (k podKind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if req.Planned.IsNull() {
		return drop(k.w, req)
	}
	name := req.Object
	var containers []string
	for _, c := range providers.Objects(req.Planned, "container") {
		containers = append(containers, providers.Str(c, "name")+"="+providers.Str(c, "image"))
	}
	env := map[string]string{}
	for _, c := range providers.Objects(req.Planned, "container") {
		for key, value := range providers.StrMap(c, "env") {
			env[key] = value
		}
	}
	cfg, _ := providers.Object(req.Planned, "config")
	spec := map[string]any{"containers": containers, "placement": req.Placement, "config": providers.Str(cfg, "version"), "env": env}
	if t, some := usesOf(req.Planned); some {
		spec["template"] = t
	}
	err := k.w.act(req, func() error {
		slots := map[int]string{}
		for slot, node := range req.Placement {
			if !k.w.joined[node] {
				return fmt.Errorf("slot %d is to run on %s, which is no node", slot, node)
			}
			slots[slot] = node
		}
		k.w.bindings[name] = slots
		return k.w.put(req, spec)
	})
	if err != nil {
		return refused(req, err)
	}
	nodes := cty.ListValEmpty(cty.String)
	if len(req.Placement) > 0 {
		list := make([]cty.Value, len(req.Placement))
		for i, n := range req.Placement {
			list[i] = cty.StringVal(n)
		}
		nodes = cty.ListVal(list)
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return refused(req, err)
	}
	return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"nodes": nodes, "revision": cty.StringVal(fmt.Sprintf("r%d", len(raw)))})}
}

// usesOf is what a replica takes of its node, as other states read it in the store.
func usesOf(v cty.Value) (api.PodTemplate, bool) {
	var c api.Container
	c.Resources.MilliCPU = providers.Int(v, "cpu")
	if p := providers.Int(v, "host_port"); p != 0 {
		c.Ports = []api.Port{{Name: "main", Container: int(p), Host: int(p)}}
	}
	return api.PodTemplate{Containers: []api.Container{c}}, c.Resources.MilliCPU != 0 || c.Ports != nil
}

// Import reads the text in the store; labels stay as they are written.
func (configKind) Import(req providers.ImportRequest) providers.ImportResponse {
	o := req.World.Object(api.KindConfig, req.Object)
	if o == nil {
		return providers.NotThere(req, "there is none")
	}
	var spec configSpec
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		panic(err)
	}
	return providers.ImportResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"text": cty.StringVal(spec.Text), "version": cty.StringVal("v:" + spec.Text), "serial": cty.NumberIntVal(spec.Serial)})}
}

// Import takes a pod that is there as it is written.
func (podKind) Import(req providers.ImportRequest) providers.ImportResponse {
	o := req.World.Object(api.KindPod, req.Object)
	if o == nil {
		return providers.NotThere(req, "there is none")
	}
	var spec struct{ Placement []string }
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		panic(err)
	}
	nodes := make([]cty.Value, len(spec.Placement))
	for i, n := range spec.Placement {
		nodes[i] = cty.StringVal(n)
	}
	return providers.ImportResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"nodes": cty.ListVal(nodes), "revision": cty.StringVal(fmt.Sprintf("r%d", len(o.Spec)))})}
}

// Import takes a host that is joined as it is written.
func (k nodeKind) Import(req providers.ImportRequest) providers.ImportResponse {
	if !k.w.joined[req.Object] {
		return providers.NotThere(req, "it is no node")
	}
	return providers.ImportResponse{Value: providers.With(req.Planned, map[string]cty.Value{"ready": cty.True})}
}
