package secret

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

var sensitive = lang.Sensitive

// MaxBytes bounds a secret: it travels inside an object of the cluster's store.
const MaxBytes = 256 << 10

const commandTimeout = 30 * time.Second

// read takes the value from a file, the environment or a command.
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
	default:
		s, diag = readCommand(req.Address, req.BaseDir, providers.Strs(req.Config, "command"))
	}
	if !diag.HasErrors() && len(s) > MaxBytes {
		diag = providers.Errorf("Secret too large", fmt.Sprintf("%s has %d bytes and at most %d are possible.", req.Address, len(s), MaxBytes))
	}
	return cty.StringVal(s), diag
}

func readFile(address, dir, name string) (string, hcl.Diagnostics) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			name = filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", providers.ErrorAt(cty.GetAttrPath("file"), "Secret not readable", fmt.Sprintf("The file of %s cannot be read: %s.", address, err))
	}
	return string(b), nil
}

func readEnv(address, name string) (string, hcl.Diagnostics) {
	s, ok := os.LookupEnv(name)
	if !ok {
		return "", providers.ErrorAt(cty.GetAttrPath("env"), "Secret not in the environment", fmt.Sprintf(
			"%s comes from the environment variable %s, which is not set. Set it before you run stowage.", address, name))
	}
	return s, nil
}

func readCommand(address, dir string, argv []string) (string, hcl.Diagnostics) {
	if len(argv) == 0 {
		return "", providers.ErrorAt(cty.GetAttrPath("command"), "Secret without a command", fmt.Sprintf("The command of %s is empty.", address))
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		why := err.Error()
		if said := strings.TrimRight(strings.TrimSpace(stderr.String()), "."); said != "" {
			why += ": " + said
		}
		if ctx.Err() != nil {
			why = fmt.Sprintf("it took longer than %s", commandTimeout)
		}
		return "", providers.ErrorAt(cty.GetAttrPath("command"), "Secret's command failed", fmt.Sprintf(
			"The command %q of %s failed: %s.", argv[0], address, why))
	}
	return strings.TrimSuffix(strings.TrimSuffix(out.String(), "\n"), "\r"), nil
}
