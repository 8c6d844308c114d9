package pod

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/config"
)

// Import reads the object back into arguments. What compiles to the same is as it is
// written; of what is sealed nobody can say what it is.
func (Kind) Import(req providers.ImportRequest) providers.ImportResponse {
	obj := req.World.Object(api.KindPod, req.Object)
	if obj == nil {
		return providers.NoObject(req, api.KindPod, "")
	}
	var spec api.PodSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ImportResponse{Diags: providers.Errorf("Damaged object", fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	i := importing{ImportRequest: req, is: spec, compiled: &compiled{bundle: api.SealedBundle{}}}
	if c, err := compile(req.Planned, req.HashKey, req.Others, config.Files); err == nil && req.Planned.GetAttr("container").IsWhollyKnown() {
		i.compiled = c
	}
	return providers.ImportResponse{Value: i.value()}
}

// importing is an object beside what the configuration would make of it.
type importing struct {
	providers.ImportRequest
	is       api.PodSpec
	compiled *compiled
}

func (i *importing) value() cty.Value {
	set := map[string]cty.Value{
		"container": i.containers("container", i.is.Template.Containers, i.compiled.template.Containers),
		"init":      i.containers("init", i.is.Template.Init, i.compiled.template.Init),
		"nodes":     stringList(i.is.Placement), "addresses": i.addresses(), "revision": cty.NullVal(cty.String),
	}
	if api.TemplateRevision(i.compiled.template) == i.is.Revision {
		set["revision"] = cty.StringVal(i.is.Revision) // else something differs that no argument tells
	}
	if !i.is.Scheduling.OnAll {
		set["replicas"] = cty.NumberIntVal(int64(i.is.Replicas))
	}
	t := i.is.Template
	if t.Restart != i.compiled.template.Restart {
		set["restart"] = with(inner(block, "restart"), map[string]cty.Value{"policy": cty.StringVal(t.Restart)})
	}
	if t.StopGrace != i.compiled.template.StopGrace {
		set["stop_grace"] = cty.StringVal(t.StopGrace.String())
	}
	if s := i.is.Scheduling; !alike(s, i.compiled.scheduling) {
		on := cty.NullVal(cty.String)
		if s.OnAll {
			on = cty.StringVal("all")
		}
		set["placement"] = with(inner(block, "placement"), map[string]cty.Value{
			"on": on, "where": text(s.Where), "one_per": text(s.OnePer), "strategy": text(s.Strategy), "tolerate": texts(s.Tolerate),
		})
	}
	return providers.With(i.Planned, set)
}

func (i *importing) addresses() cty.Value {
	addresses := make([]string, i.is.Replicas)
	for _, s := range i.World.Replicas(i.Object) {
		if s.Slot >= 0 && s.Slot < len(addresses) {
			addresses[s.Slot] = s.IP
		}
	}
	return stringList(addresses)
}

func (i *importing) containers(name string, is, written []api.Container) cty.Value {
	nb := block.Blocks[name]
	var out []cty.Value
	for _, c := range is {
		v := providers.With(with(&nb.Block, nil), map[string]cty.Value{"name": cty.StringVal(c.Name)})
		var w api.Container
		for _, p := range providers.Objects(i.Planned, name) {
			if providers.Str(p, "name") == c.Name {
				v = p
			}
		}
		if n := slices.IndexFunc(written, func(o api.Container) bool { return o.Name == c.Name }); n >= 0 {
			w = written[n]
		}
		out = append(out, i.container(&nb.Block, v, c, w))
	}
	if len(out) == 0 {
		return cty.ListValEmpty(nb.ObjectType())
	}
	return cty.ListVal(out)
}

// container is one container: v where it compiles to the same, else what is there.
func (i *importing) container(b *schema.Block, v cty.Value, is, written api.Container) cty.Value {
	set := map[string]cty.Value{}
	put := func(name string, is, written any, value func() cty.Value) {
		if !alike(is, written) || !v.GetAttr(name).IsWhollyKnown() {
			set[name] = value()
		}
	}
	if is.Image != written.Image {
		set["image"], set["ref"] = cty.StringVal(is.Image), cty.StringVal(is.Image)
	}
	put("command", is.Command, written.Command, func() cty.Value { return texts(is.Command) })
	put("args", is.Args, written.Args, func() cty.Value { return texts(is.Args) })
	put("work_dir", is.WorkDir, written.WorkDir, func() cty.Value { return text(is.WorkDir) })
	put("user", is.User, written.User, func() cty.Value { return text(is.User) })
	put("read_only", is.ReadOnly, written.ReadOnly, func() cty.Value { return cty.BoolVal(is.ReadOnly) })
	put("env", is.Env, written.Env, func() cty.Value { return envOf(is.Env) })
	put("cap_add", is.CapAdd, written.CapAdd, func() cty.Value {
		caps := make([]string, len(is.CapAdd))
		for n, c := range is.CapAdd {
			caps[n] = strings.TrimPrefix(c, "CAP_")
		}
		return texts(caps)
	})
	if b.Blocks["port"] != nil {
		put("port", is.Ports, written.Ports, func() cty.Value { return portsOf(b.Blocks["port"], is.Ports) })
	}
	put("resources", is.Resources, written.Resources, func() cty.Value { return resourcesValue(b.Blocks["resources"], is.Resources) })
	put("mount", is.Mounts, written.Mounts, func() cty.Value { return mountsOf(b.Blocks["mount"], is.Mounts) })
	return providers.With(v, set)
}

func envOf(env []api.EnvVar) cty.Value {
	if len(env) == 0 {
		return cty.NullVal(cty.Map(cty.String))
	}
	m := map[string]cty.Value{}
	for _, e := range env {
		m[e.Name] = cty.StringVal(e.Value)
		if e.Sealed != "" {
			m[e.Name] = cty.StringVal("").WithMarks(lang.Sensitive)
		}
	}
	return cty.MapVal(m)
}

func portsOf(nb *schema.NestedBlock, ports []api.Port) cty.Value {
	return list(nb, len(ports), func(n int) map[string]cty.Value {
		p := ports[n]
		host := cty.NullVal(cty.Number)
		if p.Host != 0 {
			host = cty.NumberIntVal(int64(p.Host))
		}
		return map[string]cty.Value{"name": cty.StringVal(p.Name), "container": cty.NumberIntVal(int64(p.Container)), "host": host, "protocol": text(p.Protocol)}
	})
}

func mountsOf(nb *schema.NestedBlock, mounts []api.Mount) cty.Value {
	return list(nb, len(mounts), func(n int) map[string]cty.Value {
		m := mounts[n]
		set := map[string]cty.Value{"path": cty.StringVal(m.Path), "host": text(m.HostPath), "read_only": cty.BoolVal(m.ReadOnly)}
		if m.Mode != 0 {
			set["mode"] = cty.StringVal("0" + strconv.FormatUint(uint64(m.Mode), 8))
		}
		switch {
		case m.Config != "":
			set["config"] = cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(providers.AddressOf("config", m.Config)), "version": cty.StringVal(m.Version)})
		case len(m.Sealed) > 0:
			set["secret"] = cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(""), "version": cty.StringVal("")})
		}
		return set
	})
}

func resourcesValue(nb *schema.NestedBlock, r api.Resources) cty.Value {
	if r == (api.Resources{}) {
		return cty.NullVal(nb.ImpliedType())
	}
	milli := func(n int64) cty.Value {
		if n == 0 {
			return cty.NullVal(cty.String)
		}
		return cty.StringVal(strconv.FormatInt(n, 10) + "m")
	}
	bytes := func(n int64) cty.Value {
		if n == 0 {
			return cty.NullVal(cty.String)
		}
		return cty.StringVal(strconv.FormatInt(n, 10))
	}
	limits := nb.Blocks["limits"]
	set := map[string]cty.Value{"cpu": milli(r.MilliCPU), "memory": bytes(r.Memory)}
	if r.LimitMilliCPU+r.LimitMemory+r.LimitPids > 0 {
		pids := cty.NullVal(cty.Number)
		if r.LimitPids > 0 {
			pids = cty.NumberIntVal(r.LimitPids)
		}
		set["limits"] = with(&limits.Block, map[string]cty.Value{"cpu": milli(r.LimitMilliCPU), "memory": bytes(r.LimitMemory), "pids": pids})
	}
	return with(&nb.Block, set)
}

// list makes a list of nested blocks.
func list(nb *schema.NestedBlock, n int, set func(int) map[string]cty.Value) cty.Value {
	vals := make([]cty.Value, n)
	for i := range vals {
		m := set(i)
		vals[i] = with(&nb.Block, m)
		if nb.Label != "" {
			vals[i] = providers.With(vals[i], map[string]cty.Value{nb.Label: m[nb.Label]})
		}
	}
	if n == 0 {
		return cty.ListValEmpty(nb.ObjectType())
	}
	return cty.ListVal(vals)
}

// with is an object of a block with everything that is not set at its default.
func with(b *schema.Block, set map[string]cty.Value) cty.Value {
	m := map[string]cty.Value{}
	for name, a := range b.Attributes {
		m[name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			m[name] = a.Default
		}
	}
	ty := b.ImpliedType()
	for name, nb := range b.Blocks {
		m[name] = cty.NullVal(ty.AttributeType(name))
		if nb.Nesting == schema.List {
			m[name] = cty.ListValEmpty(ty.AttributeType(name).ElementType())
		}
	}
	for name, v := range set {
		if _, ok := m[name]; ok {
			m[name] = v
		}
	}
	return cty.ObjectVal(m)
}

func inner(b *schema.Block, name string) *schema.Block { return &b.Blocks[name].Block }

func text(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func texts(list []string) cty.Value {
	if len(list) == 0 {
		return cty.NullVal(cty.List(cty.String))
	}
	return stringList(list)
}

// alike compares what travels as JSON: nothing is nothing, whether nil or empty.
func alike(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	empty := func(j []byte) bool { return string(j) == "null" || string(j) == "[]" }
	return err1 == nil && err2 == nil && (string(x) == string(y) || empty(x) && empty(y))
}
