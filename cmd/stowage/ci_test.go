package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// forge stands for a code forge and its runners: every job begins in a fresh
// workspace, in which the shell steps of the committed files run with the real
// stowage. What talks to the forge (gh, curl, git clone) is a script below.
type forge struct {
	t      *testing.T
	store  string // comments, artifacts, states: what outlives a job
	bin    string
	config string
}

// A configuration that needs no host, in three contexts of which one is protected.
const ciConfig = `stowage {
  backend "local" {
    path = "STORE/state/${context.name}.json"
  }
}

context "dev" {
  variables = { length = 20 }
}

context "qa" {
  variables = { length = 30 }
}

context "prod" {
  variables = { length = 40 }
  protected = true
}

variable "length" {
  type = number
}

variable "password" {
  type      = string
  default   = "planted-in-ci"
  sensitive = true
}

secret "db" {
  value = var.password
}

secret "token" {
  generate {
    length = var.length
  }
}
`

// makefile builds the CLI of a checkout of Stowage: it is this test binary.
const makefile = "release:\n\tmkdir -p bin\n\tln -sf \"$(STOWAGE_UNDER_TEST)\" bin/stowage\n"

// scripts stand for what talks to the forge.
var scripts = map[string]string{
	"gh": `#!/bin/bash
set -e
case "$*" in
  "api --paginate repos/acme/site/issues/12/comments --jq "*)
    for f in "$STORE"/comments/*; do
      [ -e "$f" ] || continue
      marker=$(head -n 1 "$f")
      case "$5" in *"startswith(\"$marker\")"*) basename "$f" ;; esac
    done ;;
  "api -X POST repos/acme/site/issues/12/comments -F body=@"*)
    cp "${6#body=@}" "$STORE/comments/$(ls "$STORE/comments" | wc -l)" ;;
  "api -X PATCH repos/acme/site/issues/comments/"*)
    cp "${6#body=@}" "$STORE/comments/${4##*/}" ;;
  "api repos/acme/site/commits/merged/pulls --jq .[0].head.sha") echo head ;;
  "run list --workflow stowage.yml --event pull_request --commit head --status success --limit 1 --json databaseId --jq .[0].databaseId") echo 4242 ;;
  "run download 4242 --name "*) mkdir -p "$7" && cp -r "$STORE/artifacts/$5/." "$7" ;;
  *) echo "gh: what is $*" >&2; exit 1 ;;
esac
`,
	"curl": `#!/bin/bash
set -e
url="${!#}"
case "$*" in
  *"--request POST"*"/projects/7/merge_requests/12/notes")
    for a in "$@"; do case "$a" in body@*) cp "${a#body@}" "$STORE/comments/$STOWAGE_CONTEXT" ;; esac; done ;;
  *"/projects/7/repository/commits/merged/merge_requests") echo '[{"id":900,"iid":12,"title":"a"}]' ;;
  *"/projects/7/jobs/artifacts/refs%2Fmerge-requests%2F12%2Fhead/raw/stowage.plan?job=plan%3A%20%5B$STOWAGE_CONTEXT%5D")
    for ((i = 1; i < $#; i++)); do
      if [ "${!i}" = --output ]; then j=$((i + 1)); cp "$STORE/artifacts/plan: [$STOWAGE_CONTEXT]/stowage.plan" "${!j}"; fi
    done ;;
  *) echo "curl: what is $*" >&2; exit 1 ;;
esac
`,
	"git": `#!/bin/bash
for dir; do :; done
mkdir -p "$dir" && printf '%s' "$MAKEFILE" > "$dir/Makefile"
`,
}

func newForge(t *testing.T) *forge {
	f := &forge{t: t, store: t.TempDir(), bin: t.TempDir()}
	f.config = strings.ReplaceAll(ciConfig, "STORE", f.store)
	for _, dir := range []string{"comments", "artifacts", "state"} {
		if err := os.Mkdir(filepath.Join(f.store, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range scripts {
		f.write(filepath.Join(f.bin, name), text, 0o755)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(f.store, "stowage")); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *forge) write(path, text string, mode os.FileMode) {
	f.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		f.t.Fatal(err)
	}
}

// workspace is a checkout in which a job begins.
func (f *forge) workspace() string {
	dir := f.t.TempDir()
	f.write(filepath.Join(dir, "main.stowage.hcl"), f.config, 0o644)
	return dir
}

// shell runs a script as a runner does, and returns its exit code and output.
func (f *forge) shell(dir, script string, env map[string]string) (int, string) {
	f.t.Helper()
	c := exec.Command("bash", "-e", "-c", script)
	c.Dir = dir
	c.Env = []string{
		"PATH=" + env["PATH"] + f.bin + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, ".home"), "STORE=" + f.store,
		"MAKEFILE=" + makefile, "STOWAGE_UNDER_TEST=" + filepath.Join(f.store, "stowage"), "CI=true",
	}
	for k, v := range env {
		if k != "PATH" {
			c.Env = append(c.Env, k+"="+v)
		}
	}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// ciKey opens the states and plans of the jobs; a runner has it as a secret.
const ciKey = "AGE-SECRET-KEY-1DKVKWDRDPYQ7KQ3STWQ6M45729HU4TCQZARAW5CRTAVYC54ALUKQ6NMNQK"

// decodeYAML reads a file as JSON would have it.
func decodeYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := yaml.YAMLDecodeFunc.Call([]cty.Value{cty.StringVal(string(text))})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	doc, err := ctyjson.Marshal(v, v.Type())
	if err == nil {
		err = json.Unmarshal(doc, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		If       string
		Env      map[string]string
		Strategy struct{ Matrix struct{ Context []string } }
		Steps    []struct {
			Name, Uses, Run string
			With, Env       map[string]string
		}
	}
}

var expression = regexp.MustCompile(`\$\{\{ *([^ ]+) *\}\}`)

// github runs a job of the workflow in one context.
func (f *forge) github(w *workflow, job, context string) (code int, log string) {
	f.t.Helper()
	known := map[string]string{
		"matrix.context": context, "secrets.STOWAGE_AGE_KEY": ciKey, "secrets.SSH_KEY": "key", "secrets.SSH_KNOWN_HOSTS": "hosts",
		"github.token": "token", "github.event.pull_request.number": "12",
	}
	fill := func(s string) string {
		return expression.ReplaceAllStringFunc(s, func(e string) string {
			v, ok := known[expression.FindStringSubmatch(e)[1]]
			if !ok {
				f.t.Fatalf("%s: unknown expression %s", job, e)
			}
			return v
		})
	}
	dir := f.workspace()
	path, summary := filepath.Join(dir, ".path"), filepath.Join(dir, ".summary")
	env := map[string]string{
		"GITHUB_PATH": path, "GITHUB_STEP_SUMMARY": summary, "GITHUB_REPOSITORY": "acme/site", "GITHUB_SHA": "merged", "GITHUB_ACTIONS": "true",
	}
	for _, more := range []map[string]string{w.Env, w.Jobs[job].Env} {
		for k, v := range more {
			env[k] = fill(v)
		}
	}
	for _, s := range w.Jobs[job].Steps {
		switch {
		case s.Run != "":
			all := map[string]string{}
			for _, more := range []map[string]string{env, s.Env} {
				for k, v := range more {
					all[k] = fill(v)
				}
			}
			if added, err := os.ReadFile(path); err == nil {
				all["PATH"] = strings.ReplaceAll(string(added), "\n", ":")
			}
			c, out := f.shell(dir, fill(s.Run), all)
			log += fmt.Sprintf("== %s\n%s", s.Name, out)
			if c != 0 {
				return c, log
			}
		case strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["path"] != "":
			if err := os.MkdirAll(filepath.Join(dir, s.With["path"]), 0o755); err != nil {
				f.t.Fatal(err)
			}
			f.write(filepath.Join(dir, s.With["path"], "Makefile"), makefile, 0o644)
		case strings.HasPrefix(s.Uses, "actions/checkout@"):
		case strings.HasPrefix(s.Uses, "actions/upload-artifact@"):
			f.keep(dir, fill(s.With["name"]), strings.Fields(s.With["path"]))
		default:
			f.t.Fatalf("%s: unknown action %s", job, s.Uses)
		}
	}
	text, _ := os.ReadFile(summary)
	return 0, log + string(text)
}

// keep stores files of a workspace as an artifact.
func (f *forge) keep(dir, name string, files []string) {
	f.t.Helper()
	to := filepath.Join(f.store, "artifacts", name)
	if err := os.MkdirAll(to, 0o755); err != nil {
		f.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			f.t.Fatal(err)
		}
		f.write(filepath.Join(to, file), string(text), 0o644)
	}
}

type pipeline struct {
	Variables map[string]string
	Default   struct {
		Before []string `json:"before_script"`
	}
	Plan, Apply, Drift stage
}

type stage struct {
	Parallel  struct{ Matrix []map[string][]string }
	Script    []string
	Artifacts struct{ Paths []string }
}

// gitlab runs a job of the pipeline in one context: all its lines in one shell.
func (f *forge) gitlab(p *pipeline, name string, s stage, context string) (code int, log string) {
	f.t.Helper()
	dir := f.workspace()
	env := map[string]string{
		"STOWAGE_CONTEXT": context, "STOWAGE_AGE_KEY": ciKey, "SSH_KEY": "key", "SSH_KNOWN_HOSTS": "hosts", "GITLAB_TOKEN": "token",
		"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "12", "CI_COMMIT_SHA": "merged", "GITLAB_CI": "true",
	}
	for k, v := range p.Variables {
		env[k] = v
	}
	code, log = f.shell(dir, strings.Join(append(slices.Clone(p.Default.Before), s.Script...), "\n"), env)
	if code == 0 && len(s.Artifacts.Paths) > 0 {
		f.keep(dir, fmt.Sprintf("%s: [%s]", name, context), s.Artifacts.Paths)
	}
	return code, log
}

// story is the life of a change, whatever the forge: planned in three contexts
// with comments, applied as reviewed, no drift, and no second time.
func (f *forge) story(job func(name, context string) (int, string), artifact string) {
	t := f.t
	t.Helper()
	want := func(code int, text, name, context string) {
		t.Helper()
		got, log := job(name, context)
		if got != code || !strings.Contains(log, text) {
			t.Fatalf("%s in %s: exit code %d, want %d and %q:\n%s", name, context, got, code, text, log)
		}
		if strings.Contains(log, "planted-in-ci") || strings.Contains(log, "To perform exactly these actions") {
			t.Errorf("%s in %s shows a secret, or tells what to type:\n%s", name, context, log)
		}
	}
	contexts := []string{"dev", "qa", "prod"}
	for _, c := range contexts {
		want(0, "", "plan", c)
		plan, err := os.ReadFile(filepath.Join(f.store, "artifacts", fmt.Sprintf(artifact, c), "stowage.plan"))
		if err != nil || strings.Contains(string(plan), "planted-in-ci") {
			t.Fatalf("the plan of %s is missing, or tells a secret: %v", c, err)
		}
	}
	f.comments("**Plan: 2 to add, 0 to change, 0 to destroy.**")
	for _, c := range contexts {
		want(0, "Apply complete! Resources: 2 added", "apply", c)
		if _, err := os.Stat(filepath.Join(f.store, "state", c+".json")); err != nil {
			t.Error(err)
		}
		want(0, "", "drift", c)
	}
	want(1, "stale", "apply", "prod")
	for _, c := range contexts {
		want(0, "", "plan", c)
	}
	f.comments("**No changes. Your infrastructure matches the configuration.**")

	// A job that finds drift fails with 2.
	f.write(filepath.Join(f.store, "drifted"), "#!/bin/sh\nfor a; do case $a in -out=*) echo > \"${a#-out=}\";; esac; done\n[ \"$1\" != plan ] || exit 2\n", 0o755)
	os.Remove(filepath.Join(f.store, "stowage"))
	if err := os.Symlink(filepath.Join(f.store, "drifted"), filepath.Join(f.store, "stowage")); err != nil {
		t.Fatal(err)
	}
	want(2, "", "drift", "prod")
}

// comments demands one comment for each context, with a text.
func (f *forge) comments(text string) {
	f.t.Helper()
	list, err := os.ReadDir(filepath.Join(f.store, "comments"))
	if err != nil || len(list) != 3 {
		f.t.Fatalf("%d comments: %v", len(list), err)
	}
	var all string
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(f.store, "comments", e.Name()))
		if err != nil {
			f.t.Fatal(err)
		}
		all += string(b)
		if !strings.Contains(string(b), text) {
			f.t.Errorf("the comment lacks %q:\n%s", text, b)
		}
	}
	for _, c := range []string{"dev", "qa", "prod"} {
		if !strings.Contains(all, "### Stowage plan for <code>"+c) {
			f.t.Errorf("there is no comment for %s", c)
		}
	}
	if strings.Contains(all, "planted-in-ci") {
		f.t.Error("a comment shows a secret")
	}
}

// TestGitHubActions runs the committed workflow's steps.
func TestGitHubActions(t *testing.T) {
	var w workflow
	decodeYAML(t, "../../examples/ci/github-actions.yml", &w)
	for name, event := range map[string]string{"plan": "pull_request", "apply": "push", "drift": "schedule"} {
		if j := w.Jobs[name]; !strings.Contains(j.If, "'"+event+"'") || !slices.Equal(j.Strategy.Matrix.Context, []string{"dev", "qa", "prod"}) {
			t.Errorf("the job %s: %+v", name, j)
		}
	}
	f := newForge(t)
	f.story(func(name, context string) (int, string) { return f.github(&w, name, context) }, "stowage-%s")
}

// TestGitLabCI runs the committed pipeline's scripts.
func TestGitLabCI(t *testing.T) {
	var p pipeline
	decodeYAML(t, "../../examples/ci/gitlab-ci.yml", &p)
	f := newForge(t)
	f.story(func(name, context string) (int, string) {
		s := map[string]stage{"plan": p.Plan, "apply": p.Apply, "drift": p.Drift}[name]
		if len(s.Parallel.Matrix) != 1 || !slices.Equal(s.Parallel.Matrix[0]["STOWAGE_CONTEXT"], []string{"dev", "qa", "prod"}) {
			t.Fatalf("the job %s runs in %v", name, s.Parallel)
		}
		return f.gitlab(&p, name, s, context)
	}, "plan: [%s]")
}
