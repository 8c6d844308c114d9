package pod

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler/selector"
)

// check finds what the schema cannot express.
func check(address string, config cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	report := func(summary, format string, args ...any) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)})
	}
	ports := map[string]string{}
	for _, blocks := range []string{"init", "container"} {
		for _, c := range providers.Objects(config, blocks) {
			name := providers.Str(c, "name")
			if !validName(name) {
				report("Container name not valid", "%s has a container named %q. Use lower-case letters, digits and \"-\", at most 63, beginning with a letter.", address, name)
			}
			for _, arg := range []string{"command", "args"} {
				if carriesMarks(c, arg) {
					report("Secret on a command line", "The %s of container %q in %s contain a sensitive value, which every user of the host would see in the list of processes. Put it into env or mount the secret as a file.", arg, name, address)
				}
			}
			checkPorts(c, name, address, ports, report)
			checkMounts(c, name, address, report)
		}
	}
	if p, ok := providers.Object(config, "placement"); ok && providers.Str(p, "on") == "all" && providers.Int(config, "replicas") > 1 {
		report("Replicas not used", "%s says both replicas and placement { on = \"all\" }, which runs one replica on each node. Leave one of them out.", address)
	}
	return diags
}

func checkPorts(c cty.Value, name, address string, taken map[string]string, report func(string, string, ...any)) {
	for _, p := range providers.Objects(c, "port") {
		host := providers.Int(p, "host")
		if host == 0 {
			continue
		}
		key := fmt.Sprintf("%d/%s", host, providers.Str(p, "protocol"))
		if other, ok := taken[key]; ok {
			report("Host port used twice", "The containers %q and %q of %s both ask for host port %s. Give one of them another port.", other, name, address, key)
		}
		taken[key] = name
	}
}

func checkMounts(c cty.Value, name, address string, report func(string, string, ...any)) {
	for _, m := range providers.Objects(c, "mount") {
		path, sources := providers.Str(m, "path"), 0
		plain, _ := m.Unmark()
		for _, arg := range []string{"config", "secret", "host"} {
			if v, _ := plain.GetAttr(arg).Unmark(); !v.IsKnown() || !v.IsNull() {
				sources++
			}
		}
		if sources != 1 {
			report("Mount without one source", "Mount %q of container %q in %s has %d sources. Set exactly one of config, secret and host.", path, name, address, sources)
		}
		if err := absolute(cty.StringVal(path)); err != nil {
			report("Mount path not valid", "Mount of container %q in %s: %s.", name, address, err)
		}
	}
}

func carriesMarks(obj cty.Value, name string) bool {
	obj, marks := obj.Unmark()
	return len(marks) > 0 || obj.GetAttr(name).ContainsMarked()
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
