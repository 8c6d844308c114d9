package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/data/age"
	"github.com/stowage-iac/stowage/providers/data/sops"
	"github.com/stowage-iac/stowage/providers/program"
)

var sensitive = lang.Sensitive

// MaxBytes bounds a secret: it travels inside an object of the cluster's store.
const MaxBytes = 256 << 10

const (
	commandTimeout = 30 * time.Second
	maxOutput      = 1 << 20 // of a command, bytes
)

// read takes the value from a file, the environment, a command or an encrypted file.
func read(req providers.PlanRequest, source string) (cty.Value, hcl.Diagnostics) {
	arg, _ := req.Config.GetAttr(source).UnmarkDeep()
	if !arg.IsWhollyKnown() {
		return cty.UnknownVal(cty.String).RefineNotNull(), nil
	}
	var (
		s    string
		diag hcl.Diagnostics
	)
	switch source {
	case "file":
		s, diag = readFile(req.Address, req.BaseDir, arg.AsString())
	case "env":
		s, diag = readEnv(req.Address, arg.AsString())
	case "age":
		s, diag = readAge(req, arg.AsString())
	case "sops":
		s, diag = readSops(req, arg)
	default:
		s, diag = readCommand(req, providers.Strs(req.Config, "command"))
	}
	if !diag.HasErrors() && len(s) > MaxBytes {
		diag = providers.Errorf("Secret too large", fmt.Sprintf("%s has %d bytes and at most %d are possible.", req.Address, len(s), MaxBytes))
	}
	return cty.StringVal(s), diag
}

func readFile(address, dir, name string) (string, hcl.Diagnostics) {
	b, err := os.ReadFile(data.Locate(dir, name))
	if err != nil {
		return "", providers.ErrorAt(cty.GetAttrPath("file"), "Secret not readable", fmt.Sprintf("The file of %s cannot be read: %s.", address, err))
	}
	return string(b), nil
}

// readAge decrypts a whole file.
func readAge(req providers.PlanRequest, path string) (string, hcl.Diagnostics) {
	keys, diags := age.Keys(req.Address, req.BaseDir, "", req.Outside)
	if diags.HasErrors() {
		return "", diags
	}
	plain, err := age.ReadFile(until(req), data.Locate(req.BaseDir, path), keys)
	if err == nil && !utf8.Valid(plain) {
		err = errors.New("its content is not UTF-8 text")
	}
	if err != nil {
		return "", age.Unreadable(req.Address, cty.GetAttrPath("age"), path, err)
	}
	return string(plain), nil
}

// readSops decrypts a file and takes a value out of it.
func readSops(req providers.PlanRequest, block cty.Value) (string, hcl.Diagnostics) {
	path, key := providers.Str(block, "path"), providers.Strs(block, "key")
	keys, diags := age.Keys(req.Address, req.BaseDir, "", req.Outside)
	if diags.HasErrors() {
		return "", diags
	}
	s, err := fromSops(data.Locate(req.BaseDir, path), key, keys)
	if err != nil {
		return "", age.Unreadable(req.Address, cty.GetAttrPath("sops"), path, err)
	}
	return s, nil
}

func fromSops(path string, key []string, keys age.Keyset) (string, error) {
	d, err := sops.ReadFile(context.Background(), path, "", keys)
	if err != nil || len(key) == 0 {
		return d.Content, err
	}
	v, err := d.At(key)
	if err != nil {
		return "", err
	}
	v, _ = v.UnmarkDeep()
	if v, err = convert.Convert(v, cty.String); err != nil || v.IsNull() {
		return "", fmt.Errorf("%q is no text or number: name a value within it", strings.Join(key, "."))
	}
	return v.AsString(), nil
}

func readEnv(address, name string) (string, hcl.Diagnostics) {
	s, ok := os.LookupEnv(name)
	if !ok {
		return "", providers.ErrorAt(cty.GetAttrPath("env"), "Secret not in the environment", fmt.Sprintf(
			"%s comes from the environment variable %s, which is not set. Set it before you run stowage.", address, name))
	}
	return s, nil
}

func readCommand(req providers.PlanRequest, argv []string) (string, hcl.Diagnostics) {
	if len(argv) == 0 {
		return "", providers.ErrorAt(cty.GetAttrPath("command"), "Secret without a command", fmt.Sprintf("The command of %s is empty.", req.Address))
	}
	out, err := program.Call{Args: argv, Dir: req.BaseDir, Timeout: commandTimeout, MaxOutput: maxOutput}.Run(until(req))
	if err != nil {
		return "", providers.ErrorAt(cty.GetAttrPath("command"), "Secret's command failed", fmt.Sprintf(
			"The command of %s failed: %s.", req.Address, err))
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(out), "\n"), "\r"), nil
}

// until is what ends the reading of a source.
func until(req providers.PlanRequest) context.Context {
	if req.Context == nil {
		return context.Background()
	}
	return req.Context
}
