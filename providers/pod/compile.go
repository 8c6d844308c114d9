package pod

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
)

// lookup gives the present value of another resource, and the name of its object.
type lookup interface {
	Instance(address string) (cty.Value, bool)
	Object(address string) string
}

// compiled is what a pod's value becomes.
type compiled struct {
	template   api.PodTemplate
	bundle     api.SealedBundle
	scheduling api.Scheduling
}

// compile turns a wholly known value into what an agent runs. Whatever is
// sensitive goes into the bundle; the template only refers to it.
func compile(value cty.Value, hashKey []byte, find lookup, contents contentsOf) (*compiled, error) {
	c := &compiled{bundle: api.SealedBundle{}}
	for i, v := range providers.Objects(value, "init") {
		ctr, err := c.container(v, fmt.Sprintf("init/%d", i), find, contents)
		if err != nil {
			return nil, err
		}
		c.template.Init = append(c.template.Init, ctr)
	}
	for i, v := range providers.Objects(value, "container") {
		ctr, err := c.container(v, fmt.Sprintf("container/%d", i), find, contents)
		if err != nil {
			return nil, err
		}
		c.template.Containers = append(c.template.Containers, ctr)
	}
	c.template.Restart = "always"
	if r, ok := providers.Object(value, "restart"); ok {
		c.template.Restart = providers.Str(r, "policy")
	}
	if s := providers.Str(value, "stop_grace"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			return nil, err
		}
		c.template.StopGrace = d
	}
	if len(c.bundle) > 0 {
		c.template.SealedVersion = providers.Version(hashKey, c.bundle)
	}
	c.scheduling = schedulingOf(value)
	return c, nil
}

// contentsOf gives the files of a config and whether they are sensitive.
type contentsOf func(config cty.Value) (files map[string][]byte, sensitive bool)

func (c *compiled) container(v cty.Value, key string, find lookup, contents contentsOf) (api.Container, error) {
	ctr := api.Container{
		Name: providers.Str(v, "name"), Image: providers.Str(v, "ref"),
		Command: providers.Strs(v, "command"), Args: providers.Strs(v, "args"),
		WorkDir: providers.Str(v, "work_dir"), User: providers.Str(v, "user"),
		ReadOnly: providers.Bool(v, "read_only"),
	}
	for _, capability := range providers.Strs(v, "cap_add") {
		ctr.CapAdd = append(ctr.CapAdd, "CAP_"+strings.TrimPrefix(capability, "CAP_"))
	}
	ctr.Env = c.env(v, key)
	for _, p := range providers.Objects(v, "port") {
		ctr.Ports = append(ctr.Ports, api.Port{
			Name: providers.Str(p, "name"), Container: int(providers.Int(p, "container")),
			Host: int(providers.Int(p, "host")), Protocol: providers.Str(p, "protocol"),
		})
	}
	var err error
	if ctr.Resources, err = resourcesOf(v); err != nil {
		return ctr, fmt.Errorf("container %q: %w", ctr.Name, err)
	}
	for i, m := range providers.Objects(v, "mount") {
		mount, err := c.mount(m, fmt.Sprintf("%s/mount/%d", key, i), find, contents)
		if err != nil {
			return ctr, fmt.Errorf("container %q: %w", ctr.Name, err)
		}
		ctr.Mounts = append(ctr.Mounts, mount)
	}
	return ctr, nil
}

// env splits the environment into what everyone may read and what is sealed.
func (c *compiled) env(v cty.Value, key string) []api.EnvVar {
	v, _ = v.Unmark()
	env, all := v.GetAttr("env").Unmark()
	if env.IsNull() || !env.IsKnown() {
		return nil
	}
	out := make([]api.EnvVar, 0, env.LengthInt())
	for it := env.ElementIterator(); it.Next(); {
		k, e := it.Element()
		e, marks := e.Unmark()
		name := k.AsString()
		if len(marks)+len(all) == 0 {
			out = append(out, api.EnvVar{Name: name, Value: e.AsString()})
			continue
		}
		sealed := key + "/env/" + name
		c.bundle[sealed] = []byte(e.AsString())
		out = append(out, api.EnvVar{Name: name, Sealed: sealed})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func (c *compiled) mount(v cty.Value, key string, find lookup, contents contentsOf) (api.Mount, error) {
	m := api.Mount{Path: providers.Str(v, "path"), ReadOnly: providers.Bool(v, "read_only")}
	if s := providers.Str(v, "mode"); s != "" {
		mode, err := strconv.ParseUint(s, 8, 32)
		if err != nil {
			return m, fmt.Errorf("mount %q: mode %q is not octal", m.Path, s)
		}
		m.Mode = uint32(mode)
	}
	if ref, ok := providers.Object(v, "config"); ok {
		address := providers.Str(ref, "address")
		target, ok := find.Instance(address)
		if !ok {
			return m, fmt.Errorf("mount %q refers to %s, which does not exist", m.Path, address)
		}
		files, sensitive := contents(target)
		if !sensitive {
			m.Config, m.Version = find.Object(address), providers.Str(target, "version")
			return m, nil
		}
		m.Sealed = make(map[string]string, len(files))
		for name, content := range files {
			c.bundle[key+"/"+name] = content
			m.Sealed[name] = key + "/" + name
		}
		return m, nil
	}
	if ref, ok := providers.Object(v, "secret"); ok {
		address := providers.Str(ref, "address")
		target, ok := find.Instance(address)
		if !ok {
			return m, fmt.Errorf("mount %q refers to %s, which does not exist", m.Path, address)
		}
		content, ok := contentOf(target)
		if !ok {
			return m, fmt.Errorf("mount %q refers to %s, whose value is not recorded and was not given for this run", m.Path, address)
		}
		c.bundle[key] = []byte(content)
		m.Sealed = map[string]string{"": key}
		return m, nil
	}
	m.HostPath = providers.Str(v, "host")
	return m, nil
}

// contentOf is the value of a secret: what the state holds, or what was given for this
// run to be written only.
func contentOf(secret cty.Value) (string, bool) {
	for _, name := range []string{"value", "value_wo"} {
		if v, _ := secret.GetAttr(name).Unmark(); v.IsKnown() && !v.IsNull() {
			return v.AsString(), true
		}
	}
	return "", false
}

func resourcesOf(v cty.Value) (r api.Resources, err error) {
	res, ok := providers.Object(v, "resources")
	if !ok {
		return r, nil
	}
	read := func(obj cty.Value, name string, parse func(string) (int64, error), to *int64) {
		if s := providers.Str(obj, name); s != "" && err == nil {
			*to, err = parse(s)
		}
	}
	read(res, "cpu", providers.MilliCPU, &r.MilliCPU)
	read(res, "memory", providers.Bytes, &r.Memory)
	if limits, ok := providers.Object(res, "limits"); ok {
		read(limits, "cpu", providers.MilliCPU, &r.LimitMilliCPU)
		read(limits, "memory", providers.Bytes, &r.LimitMemory)
		r.LimitPids = providers.Int(limits, "pids")
	}
	return r, err
}

func schedulingOf(value cty.Value) api.Scheduling {
	p, ok := providers.Object(value, "placement")
	if !ok {
		return api.Scheduling{Strategy: "spread"}
	}
	return api.Scheduling{
		OnAll: providers.Str(p, "on") == "all", Where: providers.Str(p, "where"), OnePer: providers.Str(p, "one_per"),
		Strategy: providers.Str(p, "strategy"), Tolerate: providers.Strs(p, "tolerate"),
	}
}
