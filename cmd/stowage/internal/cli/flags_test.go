package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFlags parses command lines as people write them: one dash or two, = or a
// space, before or after the arguments.
func TestFlags(t *testing.T) {
	type result struct {
		Out         string
		Destroy     bool
		Lock        bool
		Parallelism int
		Timeout     time.Duration
		Vars, Rest  []string
	}
	parse := func(args ...string) (result, error) {
		var r result
		f := newFlags("plan")
		out := f.File("out", "FILE", "*", "")
		destroy := f.Bool("destroy", false, "")
		lock := f.Bool("lock", true, "")
		f.IntVar(&r.Parallelism, "parallelism", 10, "")
		f.DurationVar(&r.Timeout, "lock-timeout", 0, "")
		f.Func("var", "NAME=VALUE", "", "", func(s string) error { r.Vars = append(r.Vars, s); return nil })
		rest, err := f.parse(args)
		r.Out, r.Destroy, r.Lock, r.Rest = *out, *destroy, *lock, rest
		return r, err
	}
	for _, tc := range []struct {
		args string
		want result
	}{
		{"", result{Lock: true, Parallelism: 10}},
		{"-out=p", result{Out: "p", Lock: true, Parallelism: 10}},
		{"--out p x -destroy y", result{Out: "p", Destroy: true, Lock: true, Parallelism: 10, Rest: []string{"x", "y"}}},
		{"-lock=false -parallelism 3 -lock-timeout=90s", result{Parallelism: 3, Timeout: 90 * time.Second}},
		{"-var a=1 -var=b=2 -- -out", result{Lock: true, Parallelism: 10, Vars: []string{"a=1", "b=2"}, Rest: []string{"-out"}}},
		{"-", result{Lock: true, Parallelism: 10, Rest: []string{"-"}}},
	} {
		got, err := parse(strings.Fields(tc.args)...)
		if err != nil {
			t.Errorf("%q: %v", tc.args, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q: %s", tc.args, diff)
		}
	}
	for args, want := range map[string]string{
		"-ouy=p":             "unknown flag -ouy; did you mean -out?",
		"-xyzzyxyzzyxyzzy":   "unknown flag -xyzzyxyzzyxyzzy",
		"-out":               "flag -out needs a value",
		"-lock=maybe":        `invalid value "maybe" of flag -lock: it is true or false`,
		"-parallelism=0":     `invalid value "0" of flag -parallelism: it is a whole number of at least 1`,
		"-lock-timeout=soon": `invalid value "soon" of flag -lock-timeout: it is a duration like 30s or 5m`,
	} {
		if _, err := parse(strings.Fields(args)...); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
}
