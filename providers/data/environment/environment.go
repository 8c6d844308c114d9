// Package environment is the source "environment": variables of the environment
// that stowage runs in. A saved plan applies the values that were reviewed.
package environment

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Source implements data.Source.
type Source struct{}

// Type is "environment".
func (Source) Type() string { return "environment" }

var block = &schema.Block{
	Doc: "Variables of the environment that stowage runs in. A saved plan keeps the values that it was made with.",
	Attributes: map[string]*schema.Attribute{
		"names":     {Type: cty.List(cty.String), Optional: true, Validate: validNames, Doc: "Variables that must be set."},
		"defaults":  {Type: cty.Map(cty.String), Optional: true, Validate: validDefaults, Doc: "Variables that may be missing, with what they are then; null is possible."},
		"sensitive": data.SensitiveArgument(true),

		"values": {Type: cty.Map(cty.String), Computed: true, Doc: "The values by name."},
	},
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

// Concealed is the values.
func (Source) Concealed() []string { return []string{"values"} }

func validNames(v cty.Value) error {
	for _, e := range v.AsValueSlice() {
		if e.IsNull() {
			return fmt.Errorf("a name is null")
		}
		if err := validName(e.AsString()); err != nil {
			return err
		}
	}
	return nil
}

func validDefaults(v cty.Value) error {
	for name := range v.AsValueMap() {
		if err := validName(name); err != nil {
			return err
		}
	}
	return nil
}

func validName(name string) error {
	if name == "" || strings.ContainsAny(name, "=\x00") {
		return fmt.Errorf("%q is no name of a variable", name)
	}
	return nil
}

// Read looks the variables up. All that are missing are told at once.
func (Source) Read(_ context.Context, req data.Request) data.Response {
	sensitive := providers.Bool(req.Config, "sensitive")
	values := map[string]cty.Value{}
	var missing, garbled []string
	look := func(name string) bool {
		s, ok := os.LookupEnv(name)
		if ok && !utf8.ValidString(s) {
			garbled = append(garbled, name)
		}
		if ok {
			values[name] = cty.StringVal(s)
		}
		return ok
	}
	for _, name := range providers.Strs(req.Config, "names") {
		if !look(name) {
			missing = append(missing, name)
		}
	}
	if defaults := req.Config.GetAttr("defaults"); !defaults.IsNull() {
		for name, value := range defaults.AsValueMap() {
			if !look(name) {
				values[name] = value
			}
		}
	}
	if diags := problems(req, missing, garbled); diags.HasErrors() {
		return data.Failed(diags)
	}
	if sensitive {
		for name, v := range values {
			values[name] = v.WithMarks(lang.Sensitive)
		}
	}
	if len(values) == 0 {
		return data.Response{Values: map[string]cty.Value{"values": cty.MapValEmpty(cty.String)}}
	}
	return data.Response{Values: map[string]cty.Value{"values": cty.MapVal(values)}}
}

func problems(req data.Request, missing, garbled []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	list := func(names []string) string {
		if req.Sensitive {
			return "a variable whose name is sensitive"
		}
		sort.Strings(names)
		return strings.Join(names, ", ")
	}
	if len(missing) > 0 {
		diags = append(diags, providers.ErrorAt(cty.GetAttrPath("names"), "Variable not set", fmt.Sprintf(
			"%s needs %s in the environment that stowage runs in, and it is not set there. Set it, or move it into defaults = { NAME = \"…\" }.",
			req.Address, list(missing)))...)
	}
	if len(garbled) > 0 {
		diags = append(diags, providers.ErrorAt(cty.GetAttrPath("names"), "Variable not readable", fmt.Sprintf(
			"%s reads %s from the environment, and the value is not UTF-8 text.", req.Address, list(garbled)))...)
	}
	return diags
}
