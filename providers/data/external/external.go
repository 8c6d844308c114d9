// Package external is the source "external": a program that is given a JSON object
// of strings and answers with one, as Terraform's source of that name.
package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/program"
)

// MaxOutput is the most that a program may write to its standard output.
const MaxOutput = 10 << 20

// Source implements data.Source.
type Source struct{}

// Type is "external".
func (Source) Type() string { return "external" }

var block = &schema.Block{
	Doc: "The answer of a program of the machine that runs stowage. It gets query as a JSON object on standard input and " +
		"writes a JSON object of strings to standard output. It is run without a shell, and whenever a plan is made: it must change nothing.",
	Attributes: map[string]*schema.Attribute{
		"program":     {Type: cty.List(cty.String), Required: true, Validate: validProgram, Doc: "The program and its arguments. A path with a slash is relative to working_dir, a name is looked up in PATH."},
		"query":       {Type: cty.Map(cty.String), Optional: true, Doc: "What the program is given."},
		"working_dir": {Type: cty.String, Optional: true, Doc: "Where it is run; relative to the configuration, which is the default."},
		"timeout":     {Type: cty.String, Optional: true, Default: cty.StringVal("30s"), Validate: validTimeout, Doc: "The time that it may take, like \"30s\" or \"2m\"; then it and all that it started is ended."},
		"sensitive":   data.SensitiveArgument(false),

		"result": {Type: cty.Map(cty.String), Computed: true, Doc: "What it answered, at most 10 MiB."},
	},
}

func validProgram(v cty.Value) error {
	args := v.AsValueSlice()
	if len(args) == 0 || !args[0].IsNull() && args[0].AsString() == "" {
		return errors.New("it names no program: write [\"./hosts.sh\"]")
	}
	for _, a := range args {
		if a.IsNull() {
			return errors.New("an argument is null")
		}
	}
	return nil
}

func validTimeout(v cty.Value) error {
	if d, err := time.ParseDuration(v.AsString()); err != nil || d <= 0 {
		return fmt.Errorf("%q is no time such as \"30s\" or \"2m\"", v.AsString())
	}
	return nil
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

// Concealed is the answer.
func (Source) Concealed() []string { return []string{"result"} }

// Read runs the program.
func (Source) Read(ctx context.Context, req data.Request) data.Response {
	query := providers.StrMap(req.Config, "query")
	if query == nil {
		query = map[string]string{}
	}
	in, err := json.Marshal(query)
	if err != nil {
		return data.Failed(providers.ErrorAt(cty.GetAttrPath("query"), "Invalid query", fmt.Sprintf("The query of %s cannot be written as JSON: %s.", req.Address, err)))
	}
	timeout, _ := time.ParseDuration(providers.Str(req.Config, "timeout"))
	secret := req.Sensitive || providers.Bool(req.Config, "sensitive")
	out, err := program.Call{
		Args: providers.Strs(req.Config, "program"), Dir: data.Locate(req.BaseDir, providers.Str(req.Config, "working_dir")),
		Stdin: in, Timeout: timeout, MaxOutput: MaxOutput,
	}.Run(ctx)
	if err != nil {
		return data.Failed(failed(req.Address, err, req.Sensitive, secret))
	}
	result, err := parse(out)
	if err != nil {
		return data.Failed(providers.ErrorAt(cty.GetAttrPath("program"), "Invalid answer of a program", fmt.Sprintf(
			"%s of %s must write one JSON object of strings to its standard output, like {\"name\": \"value\"}; %s.", called(providers.Strs(req.Config, "program"), req.Sensitive), req.Address, err)))
	}
	if len(result) == 0 {
		return data.Response{Values: map[string]cty.Value{"result": cty.MapValEmpty(cty.String)}}
	}
	values := make(map[string]cty.Value, len(result))
	for k, s := range result {
		values[k] = cty.StringVal(s)
		if secret {
			values[k] = values[k].WithMarks(lang.Sensitive)
		}
	}
	return data.Response{Values: map[string]cty.Value{"result": cty.MapVal(values)}}
}

func called(args []string, sensitive bool) string {
	if sensitive {
		return "The program"
	}
	return fmt.Sprintf("The program %q", args[0])
}

// failed says how the program failed. What it said may quote what it was given.
func failed(address string, err error, sensitive, secret bool) hcl.Diagnostics {
	var e *program.Error
	if !errors.As(err, &e) {
		e = &program.Error{Why: err.Error()}
	}
	args := []string{e.Program}
	detail := fmt.Sprintf("%s of %s %s.", called(args, sensitive), address, e.Why)
	switch {
	case e.Stderr != "" && secret:
		detail += " What it wrote to its standard error is not shown, because it may hold what is sensitive."
	case e.Stderr != "":
		detail += " It wrote to its standard error:\n" + e.Stderr
	}
	return providers.ErrorAt(cty.GetAttrPath("program"), "Program failed", detail)
}

// parse reads the answer: one JSON object whose values are strings. Errors are
// clauses that quote nothing of it but names.
func parse(out []byte) (map[string]string, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, errors.New("it wrote nothing")
	}
	if !utf8.Valid(out) {
		return nil, errors.New("what it wrote is not UTF-8 text")
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return nil, errors.New("what it wrote does not begin with one")
	}
	result := map[string]string{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, damaged(dec, err)
		}
		name, ok := key.(string)
		if !ok {
			return nil, damaged(dec, errors.New("a name is expected"))
		}
		if _, twice := result[name]; twice {
			return nil, fmt.Errorf("what it wrote has two values named %q", name)
		}
		value, err := dec.Token()
		if err != nil {
			return nil, damaged(dec, err)
		}
		s, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("the value of %q is %s", name, kindOf(value))
		}
		result[name] = s
	}
	if _, err := dec.Token(); err != nil {
		return nil, damaged(dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return result, nil
}

func damaged(dec *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("what it wrote ends within the object")
	}
	return fmt.Errorf("what it wrote is not JSON at byte %d", dec.InputOffset())
}

func kindOf(t json.Token) string {
	switch t.(type) {
	case nil:
		return "null"
	case bool:
		return "a bool: write it in quotes"
	case float64:
		return "a number: write it in quotes"
	}
	return "an object or a list: encode it as a text, and decode it with jsondecode()"
}
