package data

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Prefix begins the name of the kind that stands for a source: data.file.
const Prefix = "data."

// IsAddress reports whether an address is that of a data block or of its instance.
func IsAddress(address string) bool {
	if module := lang.ModuleOf(address); module != "" {
		address = strings.TrimPrefix(address[len(module):], ".")
	}
	return strings.HasPrefix(address, Prefix)
}

// Kind makes a kind of a source, so that its blocks are planned, encoded and shown
// like all others. Nothing of it is ever recorded, refreshed or applied.
type Kind struct{ Source }

var _ providers.Kind = Kind{}

// Name is data.TYPE.
func (k Kind) Name() string { return Prefix + k.Type() }

// Plan is what is known before the source is read: its arguments.
func (k Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	set := map[string]cty.Value{}
	var concealed []string
	if c, ok := k.Source.(Concealing); ok && mayConceal(req.Config) {
		concealed = c.Concealed()
	}
	var marks cty.ValueMarks
	if req.Config.ContainsMarked() {
		_, marks = req.Config.UnmarkDeep()
	}
	for name, a := range k.Schema().Attributes {
		if !a.Computed {
			continue
		}
		set[name] = cty.UnknownVal(a.Type).WithMarks(marks)
		if a.Sensitive || slices.Contains(concealed, name) {
			set[name] = set[name].WithMarks(lang.Sensitive)
		}
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, set)}
}

// mayConceal reports whether sensitive is true, or not known yet.
func mayConceal(config cty.Value) bool {
	if !config.Type().HasAttribute("sensitive") {
		return true
	}
	v, _ := config.GetAttr("sensitive").Unmark()
	return !v.IsKnown() || !v.IsNull() && v.True()
}

// Read returns the prior value: nothing is recorded that could have drifted.
func (k Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	return providers.ReadResponse{Value: req.Prior}
}

// Apply refuses: a source is read, see Fetch.
func (k Kind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Source cannot be applied",
		fmt.Sprintf("%s is only read. This is a mistake in Stowage; please report it.", req.Address))}
}

// DefaultTimeout bounds a read for which the block has no timeouts { read = … }.
const DefaultTimeout = 5 * time.Minute

// Fetch reads the source: config is wholly known, with its marks. The result is
// the object of the schema's type with everything known. It ends when ctx does or
// when the time is over (0: DefaultTimeout), even if the source hangs.
func (k Kind) Fetch(ctx context.Context, req Request, timeout time.Duration) (cty.Value, hcl.Diagnostics) {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	config := req.Config
	var marks cty.ValueMarks
	if config.ContainsMarked() {
		req.Config, marks = config.UnmarkDeep()
		req.Sensitive = true
	}
	done := make(chan Response, 1)
	go func() { done <- k.read(ctx, req) }()
	var resp Response
	select {
	case resp = <-done:
	case <-ctx.Done():
		select {
		case resp = <-done: // both: the source says more
		case <-time.After(grace):
			resp = Failed(nil)
		}
	}
	if err := ctx.Err(); err != nil && (resp.Diags.HasErrors() || resp.Values == nil) {
		return cty.NilVal, append(resp.Diags, ended(err, req.Address, timeout))
	}
	if resp.Diags.HasErrors() {
		return cty.NilVal, resp.Diags
	}
	return k.object(config, resp.Values, marks), resp.Diags
}

// grace is what a source gets to tell how it ended.
const grace = 3 * time.Second

func ended(err error, address string, timeout time.Duration) *hcl.Diagnostic {
	if errors.Is(err, context.DeadlineExceeded) {
		return providers.Errorf("Reading took too long", fmt.Sprintf(
			"%s was not read within %s. Find out what it waits for, or give it more time: timeouts { read = \"10m\" }.", address, timeout))[0]
	}
	return providers.Errorf("Reading was cancelled", fmt.Sprintf("%s was not read: the run was interrupted.", address))[0]
}

func (k Kind) read(ctx context.Context, req Request) (resp Response) {
	defer func() {
		if r := recover(); r != nil {
			resp = Failed(providers.Errorf("Mistake in Stowage", fmt.Sprintf(
				"Reading %s failed: panic: %v; please report this with what follows\n%s", req.Address, r, debug.Stack())))
		}
	}()
	if resp = k.Source.Read(ctx, req); resp.Values == nil {
		resp.Values = map[string]cty.Value{}
	}
	return resp
}

// object joins arguments and what was read. What comes of sensitive arguments is
// sensitive, of ephemeral ones ephemeral.
func (k Kind) object(config cty.Value, values map[string]cty.Value, marks cty.ValueMarks) cty.Value {
	set := make(map[string]cty.Value, len(values))
	for name, a := range k.Schema().Attributes {
		if !a.Computed {
			continue
		}
		v, ok := values[name]
		if !ok {
			v = cty.NullVal(a.Type)
		}
		if !v.IsNull() {
			v = v.WithMarks(marks)
			if a.Sensitive {
				v = v.WithMarks(lang.Sensitive)
			}
		}
		set[name] = v
	}
	return providers.With(config, set)
}

// SensitiveArgument is the argument that makes what is read sensitive.
func SensitiveArgument(byDefault bool) *schema.Attribute {
	doc := "Whether what is read is sensitive: never shown, and encrypted in saved plans."
	return &schema.Attribute{Type: cty.Bool, Optional: true, Default: cty.BoolVal(byDefault), Doc: doc}
}
