// Package functions is the table of functions of the language: those that
// Terraform users know, except for the ones whose result differs from call to
// call, since an apply must do what its plan says. reference.txt explains each.
package functions

import (
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Options of a table.
type Options struct {
	Files     *Files              // what file functions read
	Sensitive any                 // the mark of sensitive values
	Ephemeral func(mark any) bool // whether a mark is one of ephemeral values
	// Now is what plantimestamp returns: when the plan is made. Zero: it is not known yet.
	Now time.Time
}

// Refused are functions that Terraform has and Stowage does not, with a clause
// that says why and what to do instead.
var Refused = map[string]string{
	"timestamp": "its result would differ between a plan and its apply. Use plantimestamp, which a saved plan keeps, or give the time as a variable.",
	"uuid":      "its result would differ from plan to plan, so that every apply would change what uses it. Use uuidv5, or a secret block with generate.",
	"bcrypt":    "its salt, and so its result, would differ from plan to plan. Give the hash as a sensitive variable.",
	"random":    "its result would differ from plan to plan. Use a secret block with generate.",
	"type":      "only stowage console has it. Compare with can(tonumber(…)) and the like.",
}

// New makes a table. It must not be changed.
func New(o Options) map[string]function.Function {
	table := maps.Clone(constant())
	table["plantimestamp"] = planTimestampFunc(o.Now)
	table["sensitive"] = sensitiveFunc(o.Sensitive)
	table["nonsensitive"] = nonsensitiveFunc(o.Sensitive)
	table["issensitive"] = issensitiveFunc(o.Sensitive)
	table["ephemeralasnull"] = ephemeralAsNullFunc(o.Ephemeral)
	for name, f := range fileFunctions(o.Files) {
		if strings.HasPrefix(name, "file") { // the others only look at the path
			f = keptPath(f, o.Ephemeral)
		}
		table[name] = f
	}
	// Templates get all functions but those that render templates: no recursion.
	inTemplates := maps.Clone(table)
	table["templatefile"] = keptPath(templateFileFunc(o.Files, inTemplates), o.Ephemeral)
	table["templatestring"] = templateStringFunc(inTemplates)
	return table
}

// constant are the functions that need no options.
var constant = sync.OnceValue(func() map[string]function.Function {
	table := map[string]function.Function{
		"abs":              stdlib.AbsoluteFunc,
		"alltrue":          allTrueFunc,
		"anytrue":          anyTrueFunc,
		"base64decode":     base64DecodeFunc,
		"base64encode":     base64EncodeFunc,
		"base64gunzip":     base64GunzipFunc,
		"base64gzip":       base64GzipFunc,
		"can":              tryfunc.CanFunc,
		"ceil":             stdlib.CeilFunc,
		"chomp":            stdlib.ChompFunc,
		"chunklist":        stdlib.ChunklistFunc,
		"cidrhost":         cidr.HostFunc,
		"cidrnetmask":      cidrNetmaskFunc,
		"cidrsubnet":       cidr.SubnetFunc,
		"cidrsubnets":      cidr.SubnetsFunc,
		"cidrcontains":     cidrContainsFunc,
		"coalesce":         coalesceFunc,
		"coalescelist":     stdlib.CoalesceListFunc,
		"compact":          stdlib.CompactFunc,
		"concat":           stdlib.ConcatFunc,
		"contains":         stdlib.ContainsFunc,
		"csvdecode":        stdlib.CSVDecodeFunc,
		"distinct":         distinctFunc,
		"element":          stdlib.ElementFunc,
		"endswith":         endsWithFunc,
		"flatten":          stdlib.FlattenFunc,
		"floor":            stdlib.FloorFunc,
		"format":           stdlib.FormatFunc,
		"formatdate":       stdlib.FormatDateFunc,
		"formatlist":       stdlib.FormatListFunc,
		"indent":           stdlib.IndentFunc,
		"index":            indexFunc,
		"join":             stdlib.JoinFunc,
		"jsondecode":       stdlib.JSONDecodeFunc,
		"jsonencode":       stdlib.JSONEncodeFunc,
		"keys":             stdlib.KeysFunc,
		"length":           lengthFunc,
		"log":              stdlib.LogFunc,
		"lookup":           lookupFunc,
		"lower":            stdlib.LowerFunc,
		"matchkeys":        matchKeysFunc,
		"max":              stdlib.MaxFunc,
		"merge":            stdlib.MergeFunc,
		"min":              stdlib.MinFunc,
		"one":              oneFunc,
		"parseint":         stdlib.ParseIntFunc,
		"pow":              stdlib.PowFunc,
		"range":            rangeFunc,
		"regex":            stdlib.RegexFunc,
		"regexall":         stdlib.RegexAllFunc,
		"replace":          replaceFunc,
		"rsadecrypt":       rsaDecryptFunc,
		"reverse":          stdlib.ReverseListFunc,
		"setintersection":  stdlib.SetIntersectionFunc,
		"setproduct":       stdlib.SetProductFunc,
		"setsubtract":      stdlib.SetSubtractFunc,
		"setunion":         stdlib.SetUnionFunc,
		"signum":           stdlib.SignumFunc,
		"slice":            stdlib.SliceFunc,
		"sort":             stdlib.SortFunc,
		"split":            stdlib.SplitFunc,
		"startswith":       startsWithFunc,
		"strcontains":      strContainsFunc,
		"strrev":           stdlib.ReverseFunc,
		"substr":           stdlib.SubstrFunc,
		"sum":              sumFunc,
		"textdecodebase64": textDecodeFunc,
		"textencodebase64": textEncodeFunc,
		"timeadd":          stdlib.TimeAddFunc,
		"timecmp":          timeCmpFunc,
		"title":            stdlib.TitleFunc,
		"tobool":           stdlib.MakeToFunc(cty.Bool),
		"tolist":           toFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":            toFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":         stdlib.MakeToFunc(cty.Number),
		"toset":            toFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":         stdlib.MakeToFunc(cty.String),
		"transpose":        transposeFunc,
		"trim":             stdlib.TrimFunc,
		"trimprefix":       stdlib.TrimPrefixFunc,
		"trimspace":        stdlib.TrimSpaceFunc,
		"trimsuffix":       stdlib.TrimSuffixFunc,
		"try":              tryfunc.TryFunc,
		"upper":            stdlib.UpperFunc,
		"urldecode":        urlDecodeFunc,
		"urlencode":        urlEncodeFunc,
		"uuidv5":           uuidV5Func,
		"values":           stdlib.ValuesFunc,
		"yamldecode":       ctyyaml.YAMLDecodeFunc,
		"yamlencode":       ctyyaml.YAMLEncodeFunc,
		"zipmap":           stdlib.ZipmapFunc,

		"setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
	}
	maps.Copy(table, hashFunctions())
	for name, f := range table {
		table[name] = carryMarks(f)
	}
	for _, name := range []string{"merge", "setintersection", "setproduct", "setsubtract", "setsymmetricdifference", "setunion", "zipmap"} {
		table[name] = calm(table[name])
	}
	for name, check := range bounds {
		table[name] = bounded(table[name], check)
	}
	for name, f := range table {
		if how, needed := conversionsOf(name, f); needed {
			table[name] = converting(f, how)
		}
	}
	return table
})
