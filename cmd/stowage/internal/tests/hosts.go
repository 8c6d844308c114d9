package tests

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/testfile"
	"github.com/stowage-iac/stowage/providers"
)

// bare is what a plan takes a host for that nobody looked at: enough for most, and
// without anything installed.
var bare = api.NodeFacts{
	Hostname: "test", OS: "debian", OSVersion: "12", OSName: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64", Kernel: "6.1.0",
	CPUs: 4, Memory: 8 << 30, DiskFree: 100 << 30, CgroupVersion: 2, Init: "systemd", PackageTool: "apt",
}

// pretended is a world of bare hosts, one for each node of the configuration, as the
// host blocks of the file and of the run have them. Errors of the configuration are
// those of the plan, which finds them as well.
func (p *place) pretended(inputs lang.Inputs, r *testfile.Run) (*providers.World, hcl.Diagnostics) {
	world := &providers.World{Hosts: map[string]*providers.HostWorld{}}
	ev, diags := lang.NewEvaluator(p.config, inputs)
	if diags.HasErrors() {
		return world, nil
	}
	var problems hcl.Diagnostics
	used := map[*testfile.Host]bool{}
	for b := range ev.Blocks() {
		if _, ok := p.f.Suite.Run.Kinds[b.Resource.Kind].(providers.Carrier); !ok {
			continue
		}
		keys, _ := ev.Expand(b)
		for _, key := range keys {
			address := lang.InstanceAddress(b.Address(), key)
			facts := bare
			facts.Hostname = providers.ObjectName(address)
			for _, of := range []string{"", address} { // what names the node wins
				for _, h := range append(p.f.file.Hosts[:len(p.f.file.Hosts):len(p.f.file.Hosts)], r.Hosts...) {
					if h.Node == of {
						used[h] = true
						problems = append(problems, describe(h, &facts)...)
					}
				}
			}
			world.Hosts[providers.ObjectName(address)] = &providers.HostWorld{Facts: facts}
		}
	}
	for _, h := range r.Hosts {
		if !used[h] && h.Node != "" {
			problems = append(problems, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No such node", Subject: h.Range.Ptr(),
				Detail: fmt.Sprintf("The configuration has no node %s. A host block names the node's address: host \"node.a\" { … }.", h.Node)})
		}
	}
	return world, problems
}

// describe sets what a host block says.
func describe(h *testfile.Host, facts *api.NodeFacts) hcl.Diagnostics {
	var diags hcl.Diagnostics
	text := func(name string, use func(string) error) {
		a := h.Args[name]
		if a == nil {
			return
		}
		if err := use(literal(a)); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid value", Subject: a.Expr.Range().Ptr(),
				Detail: fmt.Sprintf("%s of a host is not valid: %s.", name, err)})
		}
	}
	size := func(into *int64) func(string) error {
		return func(s string) (err error) {
			*into, err = providers.Bytes(s)
			return err
		}
	}
	text("memory", size(&facts.Memory))
	text("disk", size(&facts.DiskFree))
	text("arch", func(s string) error {
		if s != "amd64" && s != "arm64" {
			return fmt.Errorf("%q is neither \"amd64\" nor \"arm64\"", s)
		}
		facts.Arch = s
		return nil
	})
	text("cpus", func(s string) error {
		n, err := providers.MilliCPU(s)
		if err != nil || n < 1000 || n%1000 != 0 {
			return fmt.Errorf("%q is not a number of CPUs", s)
		}
		facts.CPUs = int(n / 1000)
		return nil
	})
	return diags
}

// literal is the text of a value that is written out; "" of another.
func literal(a *hclsyntax.Attribute) string {
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() {
		return ""
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}
