package planner_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// Each file in testdata/plans is a story in steps. N.hcl is the configuration of
// step N, NAME.stowage.hcl a file of a module in all steps, N.world what happened to
// the world before it, N.options are flags of the plan, N.destroy makes it a destroy.
// The plan must be N.plan, or fail with N.error. A plan that is not an error is
// applied, and the plan after it is empty.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { story(t, file) })
	}
}

func story(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := &txtar.Archive{Comment: archive.Comment}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	l := newLab(t, strings.Fields(sections["hosts"])...)
	keep := func(name string) {
		if data, ok := sections[name]; ok {
			got.Files = append(got.Files, txtar.File{Name: name, Data: []byte(data)})
		}
	}
	keep("hosts")
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, lang.Suffix) {
			keep(f.Name)
		}
	}
	for n := 1; ; n++ {
		name := func(ext string) string { return fmt.Sprintf("%d.%s", n, ext) }
		_, hasConfig := sections[name("hcl")]
		_, destroy := sections[name("destroy")]
		_, event := sections[name("world")]
		flags, given := sections[name("options")]
		if !hasConfig && !destroy && !event && !given {
			break
		}
		keep(name("world"))
		keep(name("options"))
		keep(name("hcl"))
		keep(name("destroy"))
		if hasConfig {
			l.write(sections[name("hcl")])
			for _, f := range archive.Files {
				if strings.HasSuffix(f.Name, lang.Suffix) {
					l.files[f.Name] = f.Data
				}
			}
		}
		l.destroy, l.options = destroy, options(t, flags)
		happen(t, l.world, sections[name("world")])
		p, diags := l.tryPlan()
		if diags.HasErrors() {
			got.Files = append(got.Files, txtar.File{Name: name("error"), Data: []byte(text(diags))})
			continue
		}
		out := p.String()
		if len(p.Warnings) > 0 {
			out += text(p.Warnings)
		}
		if out == "" {
			out = "nothing\n"
		}
		got.Files = append(got.Files, txtar.File{Name: name("plan"), Data: []byte(out)})
		l.settled()
	}
	for i := range got.Files { // a lineage is random
		f := &got.Files[i]
		f.Data = bytes.ReplaceAll(f.Data, []byte(l.state().State.Lineage), []byte("LINEAGE"))
	}
	text := txtar.Format(got)
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := txtar.Format(archive); !bytes.Equal(want, text) {
		t.Errorf("the story went otherwise; -update accepts it:\n%s", text)
	}
}

// options reads flags, one a line.
func options(t *testing.T, flags string) (o planner.Options) {
	t.Helper()
	for line := range strings.Lines(flags) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "-target":
			o.Targets = append(o.Targets, value)
		case "-exclude":
			o.Excludes = append(o.Excludes, value)
		case "-replace":
			o.Replace = append(o.Replace, value)
		case "-refresh-only":
			o.RefreshOnly = true
		default:
			t.Fatalf("%q is no option", line)
		}
	}
	return o
}

// happen does to the world what a line says.
func happen(t *testing.T, w *world, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		w.revision++
		kind, name, _ := strings.Cut(f[1], ".")
		o := api.Object{Kind: api.Kind(kind), Name: name, ModRevision: w.revision}
		switch f[0] {
		case "drop": // somebody deletes an object
			delete(w.objects, f[1])
			delete(w.bindings, name)
		case "text": // somebody changes a config
			o = w.objects[f[1]]
			var spec configSpec
			if err := json.Unmarshal(o.Spec, &spec); err != nil {
				t.Fatal(err)
			}
			spec.Text = f[2]
			o.Spec, _ = json.Marshal(spec)
			o.ModRevision = w.revision
			w.objects[f[1]] = o
		case "bind": // a controller moves a replica
			slot, _ := strconv.Atoi(f[2])
			w.bindings[f[1]][slot] = f[3]
		case "orphan": // an apply was killed after writing this and before recording it
			o.Owner, o.Spec = ownerOf(w), json.RawMessage(`{}`)
			w.objects[f[1]] = o
		case "foreign": // another state's pod: name, node, mCPU
			cpu, _ := strconv.ParseInt(f[3], 10, 64)
			o.Owner = "somebody-else"
			o.Spec, _ = json.Marshal(api.PodSpec{Replicas: 1, Template: api.PodTemplate{Containers: []api.Container{{Resources: api.Resources{MilliCPU: cpu}}}}})
			w.objects[f[1]] = o
			w.bindings[name] = map[int]string{0: f[2]}
		case "fact": // what data "fact" blocks read: name, value
			w.facts[f[1]] = f[2]
		case "host": // a machine is bought: name, CPUs
			cpus, _ := strconv.Atoi(f[2])
			w.hosts[f[1]] = api.NodeFacts{Hostname: f[1], Arch: "amd64", CPUs: cpus, Memory: 8 << 30}
		default:
			t.Fatalf("%q cannot happen", f[0])
		}
	}
}

func ownerOf(w *world) string {
	for _, o := range w.objects {
		if o.Owner != "somebody-else" {
			return o.Owner
		}
	}
	return ""
}
