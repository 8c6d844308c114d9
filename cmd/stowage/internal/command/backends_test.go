package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/test/servers"
)

// seed is the state that each backend begins with, so that all have one lineage, and one
// key of hashes: something is sensitive.
const seed = `{"format_version": 1, "lineage": "0123456789abcdef0123456789abcdef", "serial": 1,
"hash_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "instances": [], "outputs": {"old": {"value": "x", "type": "string", "sensitive": true}}}`

const before = `
secret "of" {
  for_each = { a = "1", b = "2", "c d" = "3" }
  value    = each.value
}
secret "many" {
  count = 4
  value = "${count.index} ${secret.of["a"].value}"
}
output "names" { value = keys(secret.of) }
output "hidden" {
  value     = secret.many[2].value
  sensitive = true
}
`

const after = `
data "environment" "home" {
  defaults  = { NOWHERE = "home" }
  sensitive = false
}
secret "of" {
  for_each = { a = "4", b = "2", e = "3" }
  value    = each.value
}
secret "many" {
  count = 3
  value = "${count.index} ${secret.of["a"].value}"
}
config "c" {
  count = 2
  files = { "f" = "${data.environment.home.values.NOWHERE} ${count.index} ${nonsensitive(secret.of["b"].value)}" }
}
check "c" {
  assert {
    condition     = length(secret.of) > 5
    error_message = "There are ${length(secret.of)}."
  }
}
output "versions" { value = config.c[*].version }
output "hidden" {
  value     = secret.many[1].value
  sensitive = true
}
`

// TestBackendsPrintTheSame: whatever keeps the state, a plan is the same to the byte,
// its text and its JSON: before there is anything, without a change, with one, and of a
// saved file; and so are the lists of what was applied. (planner holds it for random
// configurations, and for the cluster, which this machine is not part of.)
func TestBackendsPrintTheSame(t *testing.T) {
	database := servers.StartPostgres(t)
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "STOWAGE_INPUT": "0", "PGPASSWORD": database.Password, "STOWAGE_HTTP_PASSWORD": servers.HTTPPassword,
		"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
	} {
		t.Setenv(name, value)
	}
	t.Setenv("XDG_CONFIG_HOME", os.Getenv("HOME"))
	web := servers.StartHTTP(t) + "/s"
	var want string
	for _, backend := range []string{
		`"local" {}`,
		fmt.Sprintf("\"etcd\" {\n endpoints = [%q]\n prefix = \"k\"\n }", servers.Etcd(t)),
		fmt.Sprintf("\"s3\" {\n bucket = \"states\"\n key = \"k\"\n endpoint = %q\n }", servers.S3(t, nil)),
		fmt.Sprintf("\"postgres\" {\n name = \"k\"\n conn_str = \"postgres://%s@127.0.0.1:%d/postgres?sslmode=disable\"\n }", database.User, database.Port),
		fmt.Sprintf("\"http\" {\n address = %q\n lock_address = \"%[1]s/lock\"\n username = %q\n }", web, servers.HTTPUser),
	} {
		t.Chdir(t.TempDir())
		write := func(name, content string) {
			t.Helper()
			if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var all strings.Builder
		shows := func(args ...string) {
			t.Helper()
			fmt.Fprintf(&all, "$ stowage %s\n%s", strings.Join(args, " "), command(t, args...))
		}
		write("backend.stowage.hcl", "stowage {\n backend "+backend+"\n}\n")
		write("main.stowage.hcl", before)
		write("seed.json", seed)
		command(t, "init")
		command(t, "state", "push", "seed.json")
		shows("plan", "-out=first")
		shows("show", "-json", "first")
		command(t, "apply", "first")
		shows("state", "list")
		shows("output", "-json")
		shows("plan")
		shows("plan", "-json")
		write("main.stowage.hcl", after)
		shows("plan", "-out=next")
		shows("show", "next")
		shows("show", "-json", "next")
		shows("show")
		got := timestamps.ReplaceAllString(all.String(), `"$1": "then"`)
		if want == "" {
			want = got
			for _, part := range []string{"Plan: 7 to add", "No changes.", "Plan: 3 to add, 4 to change, 2 to destroy"} {
				if !strings.Contains(got, part) {
					t.Errorf("it does not say %q:\n%s", part, got)
				}
			}
		}
		if got != want {
			g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
			n := 0
			for n < len(g) && n < len(w) && g[n] == w[n] {
				n++
			}
			t.Errorf("over backend %s line %d is\n%s\ninstead of\n%s", backend, n+1, strings.Join(g[n:], "\n"), strings.Join(w[n:], "\n"))
		}
	}
}

// timestamps are when something was done.
var timestamps = regexp.MustCompile(`"(@?timestamp)": ?"[^"]*"`)

// command runs one in the current directory, which must succeed, and returns its output.
func command(t *testing.T, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	term := cli.Process()
	term.In, term.Out, term.Err = strings.NewReader(""), &out, &err
	if code := App().Main(context.Background(), term, args); code != cli.OK {
		t.Fatalf("$ stowage %s\n%s%s(exit %d)", strings.Join(args, " "), &out, &err, code)
	}
	return out.String()
}
