package pod

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler/selector"
)

// report tells of a mistake in a part of the value.
type report func(at cty.Path, summary, format string, args ...any)

// check finds what the schema cannot express.
func check(address string, config cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	say := func(at cty.Path, summary, format string, args ...any) {
		diags = append(diags, providers.ErrorAt(at, summary, fmt.Sprintf(format, args...))...)
	}
	var ports map[string]string
	for _, blocks := range [...]string{"init", "container"} {
		for i, c := range providers.Objects(config, blocks) {
			w := where{blocks, i, providers.Str(c, "name"), address}
			if !validName(w.name) {
				say(w.at(), "Container name not valid", "%s has a container named %q. Use lower-case letters, digits and \"-\", at most 63, beginning with a letter.", address, w.name)
			}
			for _, arg := range [...]string{"command", "args"} {
				if carriesMarks(c, arg) {
					say(w.at().GetAttr(arg), "Secret on a command line", "The %s of container %q in %s contain a sensitive value, which every user of the host would see in the list of processes. Put it into env or mount the secret as a file.", arg, w.name, address)
				}
			}
			if list := providers.Objects(c, "port"); len(list) > 0 {
				if ports == nil {
					ports = map[string]string{}
				}
				checkPorts(list, w, ports, say)
			}
			checkMounts(c, w, say)
		}
	}
	if p, ok := providers.Object(config, "placement"); ok && providers.Str(p, "on") == "all" && providers.Int(config, "replicas") > 1 {
		say(cty.GetAttrPath("replicas"), "Replicas not used", "%s says both replicas and placement { on = \"all\" }, which runs one replica on each node. Leave one of them out.", address)
	}
	return diags
}

// where is the place of a container.
type where struct {
	blocks  string
	index   int
	name    string // of the container
	address string // of the pod
}

func (w where) at() cty.Path { return cty.GetAttrPath(w.blocks).IndexInt(w.index) }

func checkPorts(list []cty.Value, w where, taken map[string]string, say report) {
	for i, p := range list {
		host := providers.Int(p, "host")
		if host == 0 {
			continue
		}
		port := fmt.Sprintf("port %q of container %q", providers.Str(p, "name"), w.name)
		key := fmt.Sprintf("%d/%s", host, providers.Str(p, "protocol"))
		if other, ok := taken[key]; ok {
			say(w.at().GetAttr("port").IndexInt(i).GetAttr("host"), "Host port used twice", "In %s, %s and %s both ask for host port %s. Give one of them another port.", w.address, other, port, key)
		}
		taken[key] = port
	}
}

func checkMounts(c cty.Value, w where, say report) {
	for i, m := range providers.Objects(c, "mount") {
		at := w.at().GetAttr("mount").IndexInt(i)
		path, sources := providers.Str(m, "path"), 0
		plain, _ := m.Unmark()
		for _, arg := range []string{"config", "secret", "host"} {
			if v, _ := plain.GetAttr(arg).Unmark(); !v.IsKnown() || !v.IsNull() {
				sources++
			}
		}
		switch {
		case sources == 0:
			say(at, "Mount without a source", "Mount %q of container %q in %s says nothing of what is mounted. Set one of config, secret and host.", path, w.name, w.address)
		case sources > 1:
			say(at, "Mount with several sources", "Mount %q of container %q in %s has %d sources. Keep one of config, secret and host.", path, w.name, w.address, sources)
		}
		if err := absolute(cty.StringVal(path)); err != nil {
			say(at, "Mount path not valid", "Mount of container %q in %s: %s.", w.name, w.address, err)
		}
	}
}

func carriesMarks(obj cty.Value, name string) bool {
	obj, marks := obj.Unmark()
	v, _ := lang.Attribute(obj, name)
	return len(marks) > 0 || !lang.Plain(v) && v.ContainsMarked()
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

func validSelector(v cty.Value) error {
	_, err := selector.Parse(v.AsString())
	return err
}
