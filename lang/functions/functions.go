// Package functions is the table of functions of the language: those that
// Terraform users know, except for the ones whose result differs from call to
// call, since a plan must say the same every time it is made.
package functions

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Options of a table.
type Options struct {
	Files     *Files // what file functions read
	Sensitive any    // the mark of sensitive values
}

// Refused are functions that Terraform has and Stowage does not, with a clause
// that says why and what to do instead.
var Refused = map[string]string{
	"timestamp":     "its result would differ between a plan and its apply. Give the time as a variable.",
	"plantimestamp": "its result would differ from plan to plan. Give the time as a variable.",
	"uuid":          "its result would differ from plan to plan. Use uuidv5, or a secret block with generate.",
	"bcrypt":        "its result would differ from plan to plan. Use sha256, or give the hash as a sensitive variable.",
	"random":        "its result would differ from plan to plan. Use a secret block with generate.",
	"rsadecrypt":    "use a secret block with age.",
	"type":          "compare with can(tonumber(…)) and the like.",
}

// New makes a table. It must not be changed.
func New(o Options) map[string]function.Function {
	table := maps.Clone(constant())
	table["sensitive"] = sensitiveFunc(o.Sensitive)
	table["nonsensitive"] = nonsensitiveFunc(o.Sensitive)
	table["issensitive"] = issensitiveFunc(o.Sensitive)
	maps.Copy(table, fileFunctions(o.Files))
	// Templates get all functions but those that render templates: no recursion.
	inTemplates := maps.Clone(table)
	table["templatefile"] = templateFileFunc(o.Files, inTemplates)
	table["templatestring"] = templateStringFunc(inTemplates)
	return table
}

// constant are the functions that need no options.
var constant = sync.OnceValue(func() map[string]function.Function {
	table := map[string]function.Function{
		"abs":             stdlib.AbsoluteFunc,
		"alltrue":         allTrueFunc,
		"anytrue":         anyTrueFunc,
		"base64decode":    base64DecodeFunc,
		"base64encode":    base64EncodeFunc,
		"base64gzip":      base64GzipFunc,
		"can":             tryfunc.CanFunc,
		"ceil":            stdlib.CeilFunc,
		"chomp":           stdlib.ChompFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"cidrhost":        cidr.HostFunc,
		"cidrnetmask":     cidr.NetmaskFunc,
		"cidrsubnet":      cidr.SubnetFunc,
		"cidrsubnets":     cidr.SubnetsFunc,
		"cidrcontains":    cidrContainsFunc,
		"coalesce":        coalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"csvdecode":       stdlib.CSVDecodeFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"endswith":        endsWithFunc,
		"flatten":         stdlib.FlattenFunc,
		"floor":           stdlib.FloorFunc,
		"format":          stdlib.FormatFunc,
		"formatdate":      stdlib.FormatDateFunc,
		"formatlist":      stdlib.FormatListFunc,
		"indent":          stdlib.IndentFunc,
		"index":           indexFunc,
		"join":            stdlib.JoinFunc,
		"jsondecode":      stdlib.JSONDecodeFunc,
		"jsonencode":      stdlib.JSONEncodeFunc,
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunc,
		"log":             stdlib.LogFunc,
		"lookup":          lookupFunc,
		"lower":           stdlib.LowerFunc,
		"matchkeys":       matchKeysFunc,
		"max":             stdlib.MaxFunc,
		"merge":           stdlib.MergeFunc,
		"min":             stdlib.MinFunc,
		"one":             oneFunc,
		"parseint":        stdlib.ParseIntFunc,
		"pow":             stdlib.PowFunc,
		"range":           rangeFunc,
		"regex":           stdlib.RegexFunc,
		"regexall":        stdlib.RegexAllFunc,
		"replace":         replaceFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"signum":          stdlib.SignumFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"split":           stdlib.SplitFunc,
		"startswith":      startsWithFunc,
		"strcontains":     strContainsFunc,
		"strrev":          stdlib.ReverseFunc,
		"substr":          stdlib.SubstrFunc,
		"sum":             sumFunc,
		"timeadd":         stdlib.TimeAddFunc,
		"timecmp":         timeCmpFunc,
		"title":           stdlib.TitleFunc,
		"tobool":          stdlib.MakeToFunc(cty.Bool),
		"tolist":          stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        stdlib.MakeToFunc(cty.Number),
		"toset":           stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        stdlib.MakeToFunc(cty.String),
		"transpose":       transposeFunc,
		"trim":            stdlib.TrimFunc,
		"trimprefix":      stdlib.TrimPrefixFunc,
		"trimspace":       stdlib.TrimSpaceFunc,
		"trimsuffix":      stdlib.TrimSuffixFunc,
		"try":             tryfunc.TryFunc,
		"upper":           stdlib.UpperFunc,
		"urldecode":       urlDecodeFunc,
		"urlencode":       urlEncodeFunc,
		"uuidv5":          uuidV5Func,
		"values":          stdlib.ValuesFunc,
		"yamldecode":      ctyyaml.YAMLDecodeFunc,
		"yamlencode":      ctyyaml.YAMLEncodeFunc,
		"zipmap":          stdlib.ZipmapFunc,

		"setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
	}
	maps.Copy(table, hashFunctions())
	for name, text := range descriptions {
		if f, ok := table[name]; ok && f.Description() == "" {
			table[name] = describe(f, text)
		}
	}
	return table
})

// describe gives a function of another package a description.
func describe(f function.Function, text string) function.Function {
	params := make([]string, len(f.Params()))
	if f.VarParam() != nil {
		params = append(params, "")
	}
	return f.WithNewDescriptions(text, params)
}

// descriptions of functions whose packages give none.
var descriptions = map[string]string{
	"can":         "Returns true if the expression can be evaluated without an error.",
	"try":         "Returns the value of the first expression that can be evaluated without an error.",
	"cidrhost":    "Returns the address of a host, by its number, within a network.",
	"cidrnetmask": "Returns the netmask of an IPv4 network: 255.255.0.0 for 10.0.0.0/16.",
	"cidrsubnet":  "Returns a subnet, by its number, of a network whose prefix is made longer by some bits.",
	"cidrsubnets": "Returns consecutive subnets of a network, one for each number of bits to add to the prefix.",
	"tobool":      "Converts to a bool.",
	"tolist":      "Converts to a list.",
	"tomap":       "Converts to a map.",
	"tonumber":    "Converts to a number.",
	"toset":       "Converts to a set: order is lost, equal elements become one.",
	"tostring":    "Converts to a string.",
	"yamldecode":  "Returns the value that a YAML text describes.",
	"yamlencode":  "Returns the value as YAML.",
}
