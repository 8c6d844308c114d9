// Package secret is the kind "secret": a value that is generated, given, or read
// from a file, which may be encrypted, the environment or a command. It lives in the encrypted state only,
// or with value_wo nowhere, and reaches a node sealed inside the pods that use it.
package secret

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Kind implements providers.Kind.
type Kind struct{}

// Name is "secret".
func (Kind) Name() string { return "secret" }

// OutsideCluster tells the planner that a secret needs no node: it lives in the
// state, and in the pods that use it.
func (Kind) OutsideCluster(cty.Value) bool { return true }

// Characters of a generated value: 62 letters and digits give 5.95 bits each;
// special ones are those that no shell, URL or quoting treats badly.
const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	special      = "-_.~"
)

var block = &schema.Block{
	Doc: "A sensitive value. Exactly one of value, value_wo, generate, file, env, command, age and sops says where it comes from.",
	Attributes: map[string]*schema.Attribute{
		"value": {
			Type: cty.String, Optional: true, Computed: true, Sensitive: true,
			Doc: "The value itself; give it through a sensitive variable, not in the file.",
		},
		"value_wo": {
			Type: cty.String, Optional: true, Sensitive: true, WriteOnly: true,
			Doc: "The value, which is recorded nowhere and may be ephemeral: it must be given for every plan and apply. Pods mount it; it cannot be referred to.",
		},
		"file":    {Type: cty.String, Optional: true, Doc: "A file whose whole content is the value; relative to the configuration."},
		"env":     {Type: cty.String, Optional: true, Doc: "An environment variable of the machine that runs stowage."},
		"command": {Type: cty.List(cty.String), Optional: true, Doc: "A command whose standard output is the value, without one newline at its end; at most 30 s."},
		"age":     {Type: cty.String, Optional: true, Doc: "A file encrypted with age, whose whole content is the value; read with the keys that open the state."},
		"version": {
			Type: cty.String, Computed: true,
			Doc: "Keyed hash of the value, 12 hex digits: changes with it and does not reveal it.",
		},
	},
	Blocks: map[string]*schema.NestedBlock{
		"sops": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "A file that sops encrypted to age recipients; read with the keys that open the state.",
				Attributes: map[string]*schema.Attribute{
					"path": {Type: cty.String, Required: true, Doc: "Path of the file; relative to the configuration."},
					"key":  {Type: cty.List(cty.String), Optional: true, Doc: "Where the value is in it, like [\"db\", \"password\"]. Default: the whole decrypted file."},
				},
			},
		},
		"generate": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "Generates a random value once; changing an argument generates a new one.",
				Attributes: map[string]*schema.Attribute{
					"length": {
						Type: cty.Number, Optional: true, Default: cty.NumberIntVal(32),
						Validate: validLength, Doc: "Characters, 8 to 4096.",
					},
					"special": {
						Type: cty.Bool, Optional: true, Default: cty.False,
						Doc: "Also use the characters - _ . ~",
					},
				},
			},
		},
	},
}

func validLength(v cty.Value) error {
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact || n < 8 || n > 4096 {
		return fmt.Errorf("the length is %s; use a whole number from 8 to 4096", v.AsBigFloat().Text('f', -1))
	}
	return nil
}

// Schema describes the block.
func (Kind) Schema() *schema.Block { return block }

// Plan reads the source. A generated value is kept while its arguments stay the same.
func (Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	value, diags := plannedValue(req)
	if diags.HasErrors() {
		return providers.PlanResponse{Planned: req.Config, Diags: diags}
	}
	version := cty.UnknownVal(cty.String).RefineNotNull()
	if v, _ := value.Unmark(); v.IsKnown() {
		version = versionOf(v.AsString(), req.HashKey)
	}
	recorded := value.WithMarks(sensitive)
	if !isNull(req.Config.GetAttr("value_wo")) {
		recorded = cty.NullVal(cty.String)
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{"value": recorded, "version": version})}
}

func isNull(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsKnown() && v.IsNull()
}

func plannedValue(req providers.PlanRequest) (cty.Value, hcl.Diagnostics) {
	given, sources := sourcesOf(req.Config)
	if len(sources) != 1 {
		return cty.NilVal, wrongSources(req.Address, sources)
	}
	switch sources[0] {
	case "value":
		return given, nil
	case "value_wo":
		return req.Config.GetAttr("value_wo"), nil
	case "generate":
		if same(req.Prior, req.Config) {
			return req.Prior.GetAttr("value"), nil
		}
		return cty.UnknownVal(cty.String).RefineNotNull(), nil
	default:
		return read(req, sources[0])
	}
}

// sourcesOf are the names of the sources that are set, and the argument value.
func sourcesOf(config cty.Value) (given cty.Value, sources []string) {
	for _, name := range []string{"value", "value_wo", "generate", "file", "env", "command", "age", "sops"} {
		if !isNull(config.GetAttr(name)) {
			sources = append(sources, name)
		}
	}
	return config.GetAttr("value"), sources
}

func wrongSources(address string, sources []string) hcl.Diagnostics {
	if len(sources) == 0 {
		return providers.Errorf("Secret without a source", fmt.Sprintf(
			"%s has no value. Set one of value, value_wo, file, env, command and age, or add a sops block or a generate block, like generate { length = 32 }.", address))
	}
	return providers.ErrorAt(cty.GetAttrPath(sources[1]), "Secret with several sources", fmt.Sprintf(
		"%s takes its value from %s at once. Keep one of them.", address, providers.Words(sources, "and")))
}

// same reports whether the prior value was generated by the same arguments.
func same(prior, config cty.Value) bool {
	if providers.IsNull(prior) {
		return false
	}
	a, _ := prior.GetAttr("generate").UnmarkDeep()
	b, _ := config.GetAttr("generate").UnmarkDeep()
	return b.IsWhollyKnown() && a.RawEquals(b) && providers.Str(prior, "value") != ""
}

// Read returns what the state holds: nothing outside knows the value.
func (Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	return providers.ReadResponse{Value: req.Prior}
}

// Apply generates what is to be generated. There is nothing to do on a host: the
// pods that use the secret carry it.
func (Kind) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if providers.IsNull(req.Planned) {
		return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType())}
	}
	v, _ := req.Planned.GetAttr("value").Unmark()
	if v.IsKnown() && v.IsNull() { // value_wo: its version is all that is recorded
		return providers.ApplyResponse{Value: req.Planned}
	}
	if !v.IsKnown() {
		gen, ok := providers.Object(req.Planned, "generate")
		if !ok {
			return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Unknown secret", fmt.Sprintf(
				"The value of %s is still unknown although everything it refers to was applied.", req.Address))}
		}
		s, err := generate(int(providers.Int(gen, "length")), providers.Bool(gen, "special"))
		if err != nil {
			return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("No random numbers", fmt.Sprintf(
				"%s could not be generated: %s.", req.Address, err))}
		}
		v = cty.StringVal(s)
	}
	return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"value": v.WithMarks(sensitive), "version": versionOf(v.AsString(), req.HashKey),
	})}
}

func versionOf(value string, key []byte) cty.Value {
	return cty.StringVal(providers.Version(key, map[string][]byte{"value": []byte(value)}))
}

func generate(length int, withSpecial bool) (string, error) {
	chars := alphanumeric
	if withSpecial {
		chars += special
	}
	out := make([]byte, length)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(chars))))
		if err != nil {
			return "", err
		}
		out[i] = chars[n.Int64()]
	}
	return string(out), nil
}

// Overlap: nothing of it is in the cluster but what is sealed into pods.
func (Kind) Overlap() (providers.Overlap, string) { return providers.InPlace, "" }

// Import refuses: a value is nowhere to be read.
func (Kind) Import(req providers.ImportRequest) providers.ImportResponse {
	return providers.ImportResponse{Diags: providers.Errorf("Import not possible", fmt.Sprintf(
		"%s cannot be imported: the value of a secret is in the state and, sealed, in pods, and nowhere else. Let an apply make it; to keep a value that you know, give it with value = var.NAME.", req.Address))}
}
