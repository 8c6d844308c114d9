package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// repeat writes a line n times, with its number for each %d.
func repeat(n int, line string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(line, "%next", fmt.Sprint((i+1)%n)), "%d", fmt.Sprint(i)))
	}
	return b.String()
}

func nested(n int, open, middle, closing string) string {
	return strings.Repeat(open, n) + middle + strings.Repeat(closing, n)
}

func in(name, expression string) string { return "locals { " + name + " = " + expression + " }\n" }

// TestHostileInputs: whatever is in its files, the command ends by itself, with a
// result or an error, and with a bounded memory. The bounds on memory are wide: they
// tell growth with the input from growth with its square, or without end.
func TestHostileInputs(t *testing.T) {
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		files  map[string]string
		make   func(t *testing.T, dir string)
		args   []string
		code   int
		says   string
		memory int64
	}{
		"1,000 levels": {files: map[string]string{
			"a": in("a", nested(1000, "(", "1", ")")), "b": in("b", nested(1000, "[", "1", "]")),
			"c": in("c", nested(1000, "{a=", "1", "}")), "d": nested(1000, "a {\n", "", "}\n"),
			"e": in("e", nested(1000, `"${`, "1", `}"`)), "f": in("f", nested(1000, "upper(", `"x"`, ")")),
			"g": in("g", nested(1000, "[for x in ", "[1]", " : x]")),
		}, args: []string{"validate"}, code: 1, says: "Error:", memory: 300 * mib},
		"100,000 operators": {files: map[string]string{
			"a": in("a", nested(100_000, "1+", "1", "")), "b": in("b", nested(100_000, "true?1:", "1", "")),
			"c": in("c", "[1]"+strings.Repeat("[0]", 100_000)), "d": in("d", nested(100_000, "!", "true", "")),
			"e": in("e", "local.a"+strings.Repeat(".a", 100_000)), "f": in("f", nested(100_000, "true&&", "true", "")),
		}, args: []string{"validate"}, code: 1, says: "Nested too deeply", memory: 600 * mib},
		"no HCL at all": {files: map[string]string{"a": strings.Repeat("\x00", mib/8), "b": strings.Repeat("\"", mib/8+1), "c": strings.Repeat("/*", mib/8)},
			args: []string{"validate"}, code: 1, says: "Error:", memory: 500 * mib},
		"100,000 blocks": {files: map[string]string{"a": repeat(100_000, "secret \"s%d\" { value = \"v%d\" }\n")},
			args: []string{"validate"}, memory: 1200 * mib},
		"10 MB in one text": {files: map[string]string{"a": in("a", `"`+strings.Repeat("x", 10_000_000)+`"`)},
			args: []string{"validate"}, memory: 300 * mib},
		"a circle of 10,000 local values": {files: map[string]string{"a": "locals {\n" + repeat(10_000, "  l%d = local.l%next\n") + "}\n"},
			args: []string{"validate"}, code: 1, says: "each other", memory: 300 * mib},
		"a circle of 10,000 blocks": {files: map[string]string{"a": repeat(10_000, "secret \"s%d\" { value = secret.s%next.value }\n")},
			args: []string{"validate"}, code: 1, says: "each other", memory: 400 * mib},
		"a chain of 10,000 local values": {files: map[string]string{"a": "locals {\n" + repeat(9_999, "  l%d = local.l%next\n") + "  l9998 = 1\n}\n"},
			args: []string{"validate"}, code: 1, says: "Error:", memory: 300 * mib},
		"local values that double": {files: map[string]string{"a": "locals {\n  l0 = \"xxxxxxxxxx\"\n" +
			strings.ReplaceAll(repeat(40, "  n%d = \"${local.l%d}${local.l%d}\"\n  l%next = local.n%d\n"), "l0 = local.n39", "last = local.n39") + "}\noutput \"o\" { value = length(local.last) }\n"},
			args: []string{"plan", "-refresh=false"}, code: 1, says: "Value too large", memory: 900 * mib},
		"lists that double": {files: map[string]string{"a": "locals {\n  l0 = [\"x\"]\n" +
			strings.ReplaceAll(repeat(24, "  n%d = [local.l%d, local.l%d]\n  l%next = local.n%d\n"), "l0 = local.n23", "last = local.n23") + "}\noutput \"o\" { value = length(local.last) }\n"},
			args: []string{"plan", "-refresh=false"}, code: 1, says: "Value too large", memory: 300 * mib},
		"a billion instances": {files: map[string]string{"a": "secret \"s\" {\n  count = 1000000000\n  value = \"1\"\n}\n"},
			args: []string{"plan", "-refresh=false"}, code: 1, says: "Error:", memory: 200 * mib},
		"numbers that are long": {files: map[string]string{"a": in("a", strings.Repeat("9", 10_000_000)), "b": in("b", `"${1e999999999}"`), "c": in("c", "-1e-999999999")},
			args: []string{"validate"}, code: 1, says: "Number too large or too small", memory: 300 * mib},
		"texts of numbers that are long": {files: map[string]string{
			"a": in("a", `file("digits")`) + "output \"a\" { value = local.a + 1 }\noutput \"b\" { value = abs(local.a) }\noutput \"c\" { value = [1][local.a] }\n" +
				"output \"d\" { value = jsondecode(local.a) }\noutput \"e\" { value = templatestring(\"$${[1][a]}$${a > 1}\", { a = local.a }) }\nsecret \"s\" {\n  count = local.a\n  value = \"1\"\n}\n",
		}, make: func(t *testing.T, dir string) { put(t, filepath.Join(dir, "digits"), strings.Repeat("9", 10_000_000)) },
			args: []string{"plan", "-refresh=false"}, code: 1, says: "more than 2000 digits", memory: 500 * mib},
		"for in for": {files: map[string]string{
			"a": in("a", "[for a in range(1000000) : [for b in range(1000000) : b]]") + "output \"a\" { value = length(local.a) }\n",
		}, args: []string{"plan", "-refresh=false"}, code: 1, says: "Too much to evaluate", memory: 1300 * mib},
		"dynamic in dynamic": {files: map[string]string{
			"a": "pod \"p\" {\n  dynamic \"container\" {\n    for_each = range(1000)\n    labels   = [\"c${container.key}\"]\n    content {\n      image = \"x\"\n" +
				"      dynamic \"port\" {\n        for_each = range(1000)\n        labels   = [\"p${port.key}\"]\n        content { container = 80 }\n      }\n    }\n  }\n}\n",
		}, args: []string{"plan", "-refresh=false"}, code: 1, says: "more than 100000 blocks", memory: 1300 * mib},
		"10 MB of variables": {files: map[string]string{"a": "variable \"a\" { type = list(string) }\noutput \"o\" { value = length(var.a) }\n"},
			make: func(t *testing.T, dir string) {
				put(t, filepath.Join(dir, "stowage.vars.hcl"), "a = [\n"+repeat(130_000, "  \"value %d "+strings.Repeat("x", 60)+"\",\n")+"]\n")
			}, args: []string{"plan", "-refresh=false"}, says: "o = 130000", memory: 900 * mib},
		"variables of 1,000 levels": {files: map[string]string{"a": "variable \"a\" {}\noutput \"a\" { value = var.a }\n"}, make: func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "stowage.vars.hcl"), "a = "+nested(1000, "[", "", "]")+"\n")
		}, args: []string{"validate"}, code: 0, says: "", memory: 200 * mib},
		"a state of 100 MB": {files: map[string]string{"a": "\n"}, make: largeState, args: []string{"state", "list"}, says: "secret.s[99999]", memory: 900 * mib},
		"a state of 100 MB that is none": {files: map[string]string{"a": "\n"}, make: func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "stowage.state.json"), "{\""+strings.Repeat("x", 100*mib))
		}, args: []string{"state", "list"}, code: 1, says: "The state is damaged", memory: 900 * mib},
		"a plan that claims 4 GB":         {make: claim(4 << 30), args: []string{"apply", "p"}, code: 1, says: "more than 1 MiB", memory: 200 * mib},
		"a plan that unpacks to 100 MB":   {make: bomb(100 * mib), args: []string{"apply", "p"}, code: 1, says: "which no plan is", memory: 200 * mib},
		"a plan that lies about its size": {make: claim(10), args: []string{"show", "p"}, code: 1, says: "not a saved plan", memory: 200 * mib},
		"a plan of 200,000 files":         {make: crowd, args: []string{"show", "p"}, code: 1, says: "at most 100000 are read", memory: 400 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for f, text := range tc.files {
				put(t, filepath.Join(dir, f+".stowage.hcl"), text)
			}
			if tc.make != nil {
				tc.make(t, dir)
			}
			code, out, peak := bounded(t, dir, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.says) {
				t.Errorf("exit code %d:\n%.2000s", code, out)
			}
			if len(out) > 4*mib {
				t.Errorf("it says %d bytes", len(out))
			}
			if peak > tc.memory {
				t.Errorf("it took %d MiB, more than %d", peak/mib, tc.memory/mib)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// measured is a process that runs stowage with its own arguments and ends with its
// exit code; the last line that it writes is the peak of resident memory, bytes. It is
// a process of its own because a child's peak counts from what its parent has.
func measured() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"stowage"}, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		panic(err)
	}
	fmt.Printf("\n%d", cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss*1024)
	os.Exit(cmd.ProcessState.ExitCode())
}

// bounded runs the command and returns what it said and its peak of resident memory.
func bounded(t *testing.T, dir string, args ...string) (code int, out string, peak int64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"measured"}, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "STOWAGE_INPUT=0")
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || ctx.Err() != nil {
			t.Fatalf("it does not end: %v", err)
		}
	}
	text := b.String()
	last := strings.LastIndexByte(text, '\n')
	if _, err := fmt.Sscan(text[last+1:], &peak); err != nil {
		t.Fatalf("%v:\n%.2000s", err, text)
	}
	return cmd.ProcessState.ExitCode(), text[:last], peak
}

// largeState records 100,000 secrets of a kilobyte.
func largeState(t *testing.T, dir string) {
	ctx := t.Context()
	store := state.NewStore(local.New(filepath.Join(dir, "stowage.state.json")), state.Options{})
	loaded, err := store.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	value := json.RawMessage(`{"value":"` + strings.Repeat("x", 1000) + `"}`)
	s := loaded.State
	s.Instances = map[string]*state.Instance{}
	for i := range 100_000 {
		address := fmt.Sprintf("secret.s[%d]", i)
		s.Instances[address] = &state.Instance{Address: address, Kind: "secret", Value: value}
	}
	locked, err := store.Lock(ctx, "test", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := locked.Write(ctx, loaded, s); err != nil {
		t.Fatal(err)
	}
	if err := locked.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func archive(t *testing.T, dir string, fill func(*zip.Writer) error) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "p"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	if err := errors.Join(fill(z), z.Close()); err != nil {
		t.Fatal(err)
	}
}

// bomb is a plan with n zeros where its changes should be.
func bomb(n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		archive(t, dir, func(z *zip.Writer) error {
			w, err := z.Create("meta.json")
			if err == nil {
				_, err = w.Write([]byte(`{"format_version":1,"stowage_version":"0.1.0","context":"default","lineage":"l","serial":0,"sealed":false}`))
			}
			if err != nil {
				return err
			}
			w, err = z.Create("plan.json")
			zeros := make([]byte, 1<<20)
			for left := n; left > 0 && err == nil; left -= len(zeros) {
				_, err = w.Write(zeros)
			}
			return err
		})
	}
}

// claim is a plan whose file of a megabyte says that it unpacks to n bytes.
func claim(n uint64) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		archive(t, dir, func(z *zip.Writer) error {
			content := []byte(strings.Repeat("x", 1<<20))
			w, err := z.CreateRaw(&zip.FileHeader{Name: "meta.json", Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
				CompressedSize64: uint64(len(content)), UncompressedSize64: n})
			if err == nil {
				_, err = w.Write(content)
			}
			return err
		})
	}
}

func crowd(t *testing.T, dir string) {
	archive(t, dir, func(z *zip.Writer) error {
		for i := range 200_000 {
			if _, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Method: zip.Store}); err != nil {
				return err
			}
		}
		return nil
	})
}
