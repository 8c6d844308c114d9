package functions_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// yamlBomb is a text of levels × 10 aliases that stands for 10^levels values.
func yamlBomb(levels int) string {
	text := "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < levels; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
	}
	return text
}

// What would make much of little is refused with the limit, at once and with little
// memory, also as a part of something unknown or sensitive.
func TestBounds(t *testing.T) {
	table, _ := table(t)
	text := cty.StringVal
	number := func(n int64) cty.Value { return cty.NumberIntVal(n) }
	list := func(n int) cty.Value {
		vals := make([]cty.Value, n)
		for i := range vals {
			vals[i] = text(fmt.Sprint(i))
		}
		return cty.ListVal(vals)
	}
	close := func(n int) cty.Value { // numbers of which cty hashes what they have in common
		vals := make([]cty.Value, n)
		for i := range vals {
			vals[i] = number(100_000_000_000_000 + int64(i))
		}
		return cty.ListVal(vals)
	}
	digits := strings.Repeat("9", 10_000_000)
	many := func(v cty.Value, n int) cty.Value { return cty.ListVal(slices.Repeat([]cty.Value{v}, n)) }
	long := text(strings.Repeat("a", 1<<20))
	for _, c := range []struct {
		name string
		args []cty.Value
		want string
	}{
		{"yamldecode", []cty.Value{text(yamlBomb(9))}, "its aliases make more than 1000000 values of it"},
		{"yamldecode", []cty.Value{text(yamlBomb(60)).Mark(mark)}, "its aliases make more than 1000000 values of it"},
		{"yamldecode", []cty.Value{text("m: {" + strings.Repeat("<<: &x {", 5) + "a: 1" + strings.Repeat("}", 6) + "\n" + yamlBomb(12))}, "its aliases make more than"},
		{"yamldecode", []cty.Value{text(strings.Repeat("[", 1_000_000))}, "it nests more than 10000 levels"},
		{"yamldecode", []cty.Value{text(strings.Repeat("- ", 100_000))}, "it nests more than 10000 levels"},
		{"jsondecode", []cty.Value{text(strings.Repeat("[", 10_000_000))}, "it nests more than 10000 levels"},
		{"jsondecode", []cty.Value{text(strings.Repeat(`{"a":`, 1_000_000))}, "it nests more than 10000 levels"},
		{"setproduct", []cty.Value{list(3000), list(3000)}, "more than 1000000 elements"},
		{"setproduct", []cty.Value{list(900), list(900), list(2)}, "more than 1000000 elements"},
		{"toset", []cty.Value{close(6000)}, "more than 5000 numbers whose first ten digits are the same"},
		{"toset", []cty.Value{cty.TupleVal(close(6000).AsValueSlice())}, "more than 5000 numbers whose first ten digits are the same"},
		{"toset", []cty.Value{close(6000).Mark(mark)}, "more than 5000 numbers whose first ten digits are the same"},
		{"setunion", []cty.Value{close(6000), close(1)}, "more than 5000 numbers whose first ten digits are the same"},
		{"range", []cty.Value{number(2_000_000)}, "more than 1000000 numbers"},
		{"range", []cty.Value{number(0), number(1), cty.MustParseNumberVal("1e-30")}, "more than 1000000 numbers"},
		{"format", []cty.Value{text("%1000000000s"), text("x")}, "a width or precision of 1000000000; at most 100000 is possible"},
		{"format", []cty.Value{text("%-.999999999999999999999s"), text("x")}, "a width or precision of 99999999999999999999…"},
		{"format", []cty.Value{text("%+05000000000d"), number(1)}, "at most 100000 is possible"},
		{"format", []cty.Value{text(strings.Repeat("%99999s", 1000)), text("x")}, "the result would have more than 64 MiB"},
		{"formatlist", []cty.Value{text("%90000s"), list(3000)}, "the result would have more than 64 MiB"},
		{"indent", []cty.Value{number(1_000_000_000), text("a\nb")}, "the result would have more than 64 MiB"},
		{"join", []cty.Value{long, list(3000)}, "the result would have more than 64 MiB"},
		{"replace", []cty.Value{long, text("a"), long}, "the result would have more than 64 MiB"},
		{"replace", []cty.Value{long, text(""), long}, "the result would have more than 64 MiB"},
		{"replace", []cty.Value{long, text("/a/"), long}, "the result would have more than 64 MiB"},
		{"split", []cty.Value{text(""), text(strings.Repeat("a", 3_000_000))}, "more than 1000000 elements"},
		{"parseint", []cty.Value{text(strings.Repeat("9", 2000)), number(10)}, "the result would hold a number of more than 1000 digits"},
		{"tonumber", []cty.Value{text("1e999999999")}, "a number of more than 1000 digits"},
		{"tonumber", []cty.Value{text("-1e-999999999").Mark(mark)}, "a number of more than 1000 digits"},
		{"tonumber", []cty.Value{text(digits)}, "a number of more than 2000 digits"},
		{"tonumber", []cty.Value{text("Inf")}, "an infinite number"},
		{"abs", []cty.Value{text(digits)}, "a number of more than 2000 digits"},
		{"ceil", []cty.Value{text("1e999999999")}, "a number of more than 1000 digits"},
		{"max", []cty.Value{number(1), text("1e999999999")}, "a number of more than 1000 digits"},
		{"range", []cty.Value{text("1e999999999")}, "a number of more than 1000 digits"},
		{"element", []cty.Value{list(2), text("1e999999999")}, "a number of more than 1000 digits"},
		{"lookup", []cty.Value{cty.MapVal(map[string]cty.Value{"a": cty.Zero}), text("b"), text("1e999999999")}, "a number of more than 1000 digits"},
		{"sum", []cty.Value{cty.TupleVal([]cty.Value{text(digits)})}, "a number of more than 2000 digits"},
		{"sum", []cty.Value{cty.ListVal([]cty.Value{cty.MustParseNumberVal("1e1000"), cty.MustParseNumberVal("1e1000")})}, "a number of more than 1000 digits"},
		{"pow", []cty.Value{number(10), number(400)}, "an infinite number"},
		{"pow", []cty.Value{number(-1), cty.NumberFloatVal(0.5)}, "the result would not be a number"},
		{"log", []cty.Value{number(0), number(10)}, "an infinite number"},
		{"log", []cty.Value{number(-1), number(10)}, "the result would not be a number"},
		{"jsondecode", []cty.Value{text("[1e999999999]")}, "it holds a number of more than 1000 digits"},
		{"jsondecode", []cty.Value{text(`{"a": -` + digits)}, "it holds a number of more than 2000 digits"},
		{"yamldecode", []cty.Value{text("a: 1e999999999")}, "it holds a number of more than 1000 digits"},
		{"yamldecode", []cty.Value{text("- .inf")}, "an infinite number"},
		{"yamldecode", []cty.Value{text("- " + digits)}, "it holds a number of more than 2000 digits"},
		{"format", []cty.Value{text("%d"), text("1e999999999")}, "an argument is a number of more than 1000 digits"},
		{"format", []cty.Value{text("%s %5.2f"), text("a"), text(digits)}, "an argument is a number of more than 2000 digits"},
		{"formatlist", []cty.Value{text("%x"), cty.ListVal([]cty.Value{text("1"), text("1e999999999")})}, "an argument is a number of more than 1000 digits"},
		{"jsonencode", []cty.Value{many(long, 100)}, "the result would have more than 64 MiB"},
		{"yamlencode", []cty.Value{many(long, 100)}, "the result would have more than 64 MiB"},
		{"jsonencode", []cty.Value{many(cty.MustParseNumberVal("1e1000"), 100_000)}, "the result would have more than 64 MiB"},
		{"parseint", []cty.Value{text(strings.Repeat("9", 10_000_000)), number(10)}, "a number of more than 100000 digits"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := table[c.name].Call(c.args)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 300 || took > time.Minute { // it would take hours
			t.Errorf("%s has taken %s and %d MiB to refuse %q", c.name, took, allocated, c.want)
		}
	}
}

// What is just below the limits is done.
func TestWithinBounds(t *testing.T) {
	table, _ := table(t)
	for call, want := range map[string]int{
		`length(range(1000000))`: 1_000_000, `length(setproduct(range(200), range(200)))`: 40_000,
		`length(format("%99999s", "x"))`: 99_999, `length(split("", join("", [for i in range(1000): "0123456789"])))`: 10_000,
		`length(format("%s %.1f", "1e999999999", 2))`: 15, `length(formatlist("%s", ["1e999999999", "a"]))`: 2, `parseint("12", 8)`: 10,
		`length(toset(range(20000)))`: 20_000, `length(toset([for i in range(20000) : 100000000000000 + i % 100]))`: 100,
		`length(toset([for i in range(20000) : tostring(100000000000000 + i)]))`: 20_000, `length(toset(concat(["a"], [for i in range(20000) : 100000000000000 + i])))`: 20_001,
		`length(jsonencode(pow(10, 300)))`: 301, `length(tostring(1e999))`: 1000, `tonumber("1e3")`: 1000, `abs("-3")`: 3, `sum(["1", 2])`: 3, `length(yamldecode("- 1e2\n- 0x1F\n- 1_000"))`: 3,
		`length(indent(1000, "a\nb"))`: 1_003, `length(replace(join("", range(1000)), "/[0-9]/", "xyz"))`: 8_670,
	} {
		if v, diags := eval(t, table, call); diags.HasErrors() || !v.RawEquals(cty.NumberIntVal(int64(want))) {
			t.Errorf("%s: %#v, %v; want %d", call, v, diags, want)
		}
	}
	for name, text := range map[string]string{
		"yamldecode": yamlBomb(4), "jsondecode": strings.Repeat("[", 500) + `"[[[]"` + strings.Repeat("]", 500),
	} {
		if _, err := table[name].Call([]cty.Value{cty.StringVal(text)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
