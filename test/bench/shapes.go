package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/test/blocks"
)

const stateFile = "stowage.state.json"

// host is a node that shapes with pods are placed on; its facts are recorded.
const host = `
node "a" {
  address = "192.0.2.1"
}
`

// img is an image whose content lies beside the configuration.
const img = `
image "x" {
  copy "./content" { to = "/content" }
}
`

// demand is what a plan of n instances may take.
type demand struct {
	n      int
	cpu    time.Duration
	memory int64
}

// usual are the demands on shapes that are not all of one chain.
var usual = [2]demand{{10000, 500 * time.Millisecond, 150 << 20}, {100000, 6 * time.Second, 1 << 30}}

// shape is a configuration of about n instances.
type shape struct {
	name    string
	tofu    string // OpenTofu's first and no-op plan of the smaller size, elsewhere
	demands [2]demand
	config  func(n int) string
	more    func(n int) iter.Seq2[int, string] // further files by number; may be nil
	module  string                             // a module in the directory m; may be ""
}

var shapes = []shape{
	{name: "count", tofu: "6.9 / 100 s", demands: usual, config: func(n int) string {
		return fmt.Sprintf("config \"c\" {\n  count = %d\n  files = { \"f\" = \"content ${count.index}\" }\n}\n", n)
	}},
	{name: "for_each", tofu: "112 / 237 s", demands: usual, config: func(n int) string {
		return fmt.Sprintf("locals {\n  m = { for i in range(%d) : \"k${i}\" => i }\n}\nconfig \"c\" {\n  for_each = local.m\n  files = { \"f\" = \"content ${each.value}\" }\n}\n", n)
	}},
	{name: "pair", tofu: "23.5 / 16.9 s at 2,000", demands: usual, config: func(n int) string {
		return host + img + fmt.Sprintf(`
config "c" {
  count = %[1]d
  files = { "f" = "content ${count.index}" }
}
pod "p" {
  count = %[1]d
  container "a" {
    image = image.x
    mount "/c" { config = config.c[count.index] }
  }
}
`, n/2)
	}},
	{name: "blocks", demands: usual, config: func(int) string { return host + img }, more: plain},
	{name: "modules", demands: usual, config: func(n int) string { return host + img + calls(n, 100) }, module: pairs},
	{name: "modules of ten", demands: usual, config: func(n int) string { return host + img + calls(n, n/10) }, module: pairs},
	{name: "chain", tofu: "8.6 / 41 s at 1,000", demands: [2]demand{{2000, 200 * time.Millisecond, 80 << 20}, {20000, 6 * time.Second, 1 << 30}}, config: func(n int) string {
		var b strings.Builder
		b.WriteString("config \"c0\" {\n  files = { \"f\" = \"start\" }\n}\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "config \"c%d\" {\n  files = { \"f\" = \"after ${config.c%d.version}\" }\n}\n", i, i-1)
		}
		return b.String()
	}},
}

// calls are n instances in k instances of the module pairs.
func calls(n, k int) string {
	return fmt.Sprintf(`
module "m" {
  source   = "./m"
  for_each = { for i in range(%d) : "k${i}" => i }
  text     = "content ${each.value}"
  each     = %d
  image    = image.x
}
`, k, n/k/2)
}

const pairs = `
variable "text" { type = string }
variable "each" { type = number }
variable "image" {}
config "c" {
  count = var.each
  files = { "f" = "${var.text} ${count.index}" }
}
pod "p" {
  count = var.each
  container "a" {
    image = var.image
    mount "/c" { config = config.c[count.index] }
  }
}
output "versions" { value = config.c[*].version }
`

// measured is what the plans of a shape took.
type measured struct {
	first, again used
	floor        used // of parsing many files by the library alone
}

func (m measured) cpu() time.Duration { return max(m.first.cpu, m.again.cpu) }
func (m measured) peak() int64        { return max(m.first.peak, m.again.peak) }
func (m measured) String() string {
	return fmt.Sprintf("%s, %s, peak %s", ms(m.first.cpu), ms(m.again.cpu), mib(m.peak()))
}

// run measures first and no-op plans of the CLI as a whole process, and how they grow.
// The peer is OpenTofu on a machine like this one, for a shape of as many instances:
// figures of another run, shown as such; and in this run, if it is on PATH. Of shapes of
// many files it also measures how large the state is.
func (s shape) run(ctx context.Context, b *bench) error {
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return err
	}
	all, growth, err := s.measure(ctx, b, binary, s.demands[0].n, s.demands[1].n)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	for i, d := range s.demands {
		m := all[i]
		f := figure{
			name: fmt.Sprintf("%s of %d: first, no-op plan (CPU)", s.name, d.n), value: m.String(),
			demand: fmt.Sprintf("≤ %.1f s, ≤ %d MiB", d.cpu.Seconds(), d.memory>>20),
			met:    m.cpu() <= d.cpu && m.peak() <= d.memory,
		}
		switch {
		case s.more != nil:
			f.beside = fmt.Sprintf("hcl/v2 alone, parsing: %s, peak %s", ms(m.floor.cpu), mib(m.floor.peak))
		case i == 0 && s.tofu != "":
			f.beside = "OpenTofu elsewhere " + s.tofu
		}
		b.add(f)
	}
	exponent := math.Log(growth) / math.Log(float64(s.demands[1].n)/float64(s.demands[0].n))
	b.add(figure{name: s.name + ": growth exponent", value: fmt.Sprintf("%.2f", exponent), demand: "≤ 1.10", met: exponent <= 1.1})
	return s.beside(ctx, b, binary)
}

// plain are n blocks of ten arguments, 50 a file.
func plain(n int) iter.Seq2[int, string] {
	const perFile = 50
	return func(yield func(int, string) bool) {
		for file := 0; file*perFile < n; file++ {
			var b strings.Builder
			for i := file * perFile; i < min((file+1)*perFile, n); i++ {
				b.WriteString(blocks.Pod(i))
			}
			if !yield(file, b.String()) {
				return
			}
		}
	}
}

// measure plans the shape in each of sizes, and says how many times as much CPU a plan of the
// last took as one of the first: the first or the no-op plan, whichever grew more.
func (s shape) measure(ctx context.Context, b *bench, binary string, sizes ...int) (all []measured, growth float64, err error) {
	const turns = 3
	all, dirs := make([]measured, len(sizes)), make([]string, len(sizes))
	for i, n := range sizes {
		if dirs[i], err = os.MkdirTemp("", "stowage-shape-"); err != nil {
			return nil, 0, err
		}
		defer os.RemoveAll(dirs[i])
		if err := s.write(dirs[i], n); err != nil {
			return nil, 0, err
		}
		if err := recordApart(ctx, dirs[i], "nodes"); err != nil {
			return nil, 0, err
		}
	}
	env := func(dir string) []string { return append(os.Environ(), "HOME="+dir, "STOWAGE_INPUT=0") }
	plan := func(code string) ([]used, float64, error) {
		// Exit code 2 is "changes": sh turns the expected one into 0.
		return inTurn(ctx, turns, dirs, env, "sh", "-c", `"$0" plan -refresh=false -detailed-exitcode; [ $? = `+code+` ]`, binary)
	}
	first, growth, err := plan("2")
	if err != nil {
		return nil, 0, err
	}
	for i, n := range sizes {
		if err := recordApart(ctx, dirs[i], "all"); err != nil {
			return nil, 0, err
		}
		if s.more == nil {
			continue
		}
		if all[i].floor, err = floor(ctx, dirs[i], 1); err != nil {
			return nil, 0, err
		}
		info, err := os.Stat(filepath.Join(dirs[i], stateFile))
		if err != nil {
			return nil, 0, err
		}
		each := info.Size() / int64(n)
		b.add(figure{name: fmt.Sprintf("%s of %d: state per block", s.name, n), value: fmt.Sprintf("%d B", each), demand: "≤ 1024 B", met: each <= 1024})
	}
	again, grown, err := plan("0")
	if err != nil {
		return nil, 0, err
	}
	for i := range all {
		all[i].first, all[i].again = first[i], again[i]
	}
	return all, max(growth, grown), nil
}

// write writes a configuration of about n instances.
func (s shape) write(dir string, n int) error {
	if err := os.WriteFile(filepath.Join(dir, "main.stowage.hcl"), []byte(s.config(n)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "content"), []byte("content"), 0o644); err != nil {
		return err
	}
	if s.module != "" {
		if err := os.Mkdir(filepath.Join(dir, "m"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "m", "main.stowage.hcl"), []byte(s.module), 0o644); err != nil {
			return err
		}
	}
	if s.more == nil {
		return nil
	}
	for i, text := range s.more(n) { // one at a time: what this process holds counts as its children's peak
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.stowage.hcl", i)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// recordApart runs record in a process of its own: a child's peak memory counts
// from what its parent has, and the parent is this process.
func recordApart(ctx context.Context, dir, what string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, self, "record", dir, what).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// record writes a state as an apply of the directory would leave it; with nodesOnly
// just the nodes, whose facts placement needs.
func record(ctx context.Context, dir string, nodesOnly bool) error {
	config, diags := lang.Load(dir, lang.Options{Schemas: registry.Schemas(), Later: registry.Later()})
	if diags.HasErrors() {
		return diags
	}
	store := state.NewStore(local.New(filepath.Join(dir, stateFile)), state.Options{})
	loaded, err := store.Load(ctx)
	if err != nil {
		return err
	}
	st := loaded.State
	plan, diags := planner.Make(ctx, planner.Input{
		Config: config, Kinds: registry.Kinds(), State: st, Version: api.StowageVersion, Now: time.Now(),
		World: &providers.World{Hosts: map[string]*providers.HostWorld{"a": {Facts: api.NodeFacts{CPUs: 64, Memory: 1 << 38, Arch: runtime.GOARCH, Init: "systemd", OS: "debian"}}}},
	})
	if diags.HasErrors() {
		return diags
	}
	if st.Instances == nil {
		st.Instances = map[string]*state.Instance{}
	}
	for _, c := range plan.Changes {
		if nodesOnly && c.Kind != "node" {
			continue
		}
		value, err := cty.Transform(c.After, settle)
		if err != nil {
			return err
		}
		if c.Kind == "node" {
			facts := providers.With(value.GetAttr("facts"), map[string]cty.Value{"arch": cty.StringVal(runtime.GOARCH)})
			value = providers.With(value, map[string]cty.Value{"role": cty.StringVal(api.RoleManager), "facts": facts})
		}
		raw, err := ctyjson.Marshal(value, registry.Kinds()[c.Kind].Schema().ImpliedType())
		if err != nil {
			return err
		}
		st.Instances[c.Address] = &state.Instance{Address: c.Address, Kind: c.Kind, Value: json.RawMessage(raw), Deps: c.Deps, Placement: c.Placement}
	}
	locked, err := store.Lock(ctx, "bench", 0)
	if err != nil {
		return err
	}
	if err := locked.Write(ctx, loaded, st); err != nil {
		return err
	}
	return locked.Unlock()
}

// settle gives what only an apply knows a value.
func settle(_ cty.Path, v cty.Value) (cty.Value, error) {
	if v.IsKnown() {
		return v, nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return cty.StringVal("0123456789ab"), nil
	case ty == cty.Bool:
		return cty.True, nil
	case ty.IsListType():
		return cty.ListVal([]cty.Value{cty.StringVal("a")}), nil
	case ty.IsObjectType():
		m := map[string]cty.Value{}
		for name, at := range ty.AttributeTypes() {
			switch {
			case name == "arch":
				m[name] = cty.StringVal(runtime.GOARCH) // images are for it
			case at == cty.Number:
				m[name] = cty.NumberIntVal(1 << 38)
			default:
				m[name] = cty.StringVal("x")
			}
		}
		return cty.ObjectVal(m), nil
	default:
		return cty.NumberIntVal(1 << 38), nil
	}
}
