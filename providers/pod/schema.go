// Package pod is the kind "pod": containers that share network, IPC and volumes,
// in one or more replicas, each on a node that the plan names.
package pod

import (
	"fmt"
	"math/big"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Kind implements providers.Kind, providers.Carried and providers.Imager.
type Kind struct{}

// Name is "pod".
func (Kind) Name() string { return "pod" }

// Schema describes the block.
func (Kind) Schema() *schema.Block { return block }

const later = "It comes with a later version of Stowage."

// DefaultStopGrace is the time between TERM and KILL: Kubernetes' default.
const DefaultStopGrace = 30 * time.Second

var block = &schema.Block{
	Doc: "Containers that share a network address and IPC, in replicas that the plan places on nodes.",
	Attributes: map[string]*schema.Attribute{
		"replicas": {
			Type: cty.Number, Optional: true, Default: cty.NumberIntVal(1), Validate: wholeNumber(0, 10000),
			Doc: "How many replicas run. Not with placement { on = \"all\" }.",
		},
		"stop_grace": {
			Type: cty.String, Optional: true, Validate: validDuration,
			Doc: "Time between TERM and KILL when a container is stopped; default \"30s\".",
		},
		"singleton": {Type: cty.Bool, Optional: true, Later: later, Doc: "Never two at once, fenced."},
		"addresses": {Type: cty.List(cty.String), Computed: true, Doc: "The replicas' addresses, by slot."},
		"nodes":     {Type: cty.List(cty.String), Computed: true, Doc: "The replicas' nodes, by slot."},
		"revision":  {Type: cty.String, Computed: true, Doc: "Hash of what a replica runs, 12 hex digits."},
	},
	Blocks: map[string]*schema.NestedBlock{
		"container": {Nesting: schema.List, Label: "name", Min: 1, Block: containerBlock(false)},
		"init":      {Nesting: schema.List, Label: "name", Block: containerBlock(true)},
		"restart": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "When an ended container starts again.",
				Attributes: map[string]*schema.Attribute{
					"policy": {
						Type: cty.String, Optional: true, Default: cty.StringVal("always"),
						Validate: providers.OneOf("always", "on_failure", "never"), Doc: "\"always\" (default), \"on_failure\" or \"never\".",
					},
				},
			},
		},
		"placement": {
			Nesting: schema.Single,
			Block: schema.Block{
				Doc: "Where replicas may run.",
				Attributes: map[string]*schema.Attribute{
					"on":       {Type: cty.String, Optional: true, Validate: providers.OneOf("all"), Doc: "\"all\": one on each schedulable node instead of replicas."},
					"where":    {Type: cty.String, Optional: true, Validate: validSelector, Doc: "Label expression: \"zone in (a, b) and !spot\"."},
					"one_per":  {Type: cty.String, Optional: true, Validate: providers.OneOf("node"), Doc: "\"node\": never two replicas on one node."},
					"strategy": {Type: cty.String, Optional: true, Default: cty.StringVal("spread"), Validate: providers.OneOf("spread", "pack"), Doc: "\"spread\" (default) or \"pack\"."},
					"tolerate": {Type: cty.List(cty.String), Optional: true, Doc: "Keys of taints that do not keep it away."},
					"spread":   {Type: cty.String, Optional: true, Later: later, Doc: "Label over whose values replicas are spread."},
					"near":     {Type: cty.List(cty.String), Optional: true, Later: later, Doc: "Pods to be close to."},
					"apart":    {Type: cty.List(cty.String), Optional: true, Later: later, Doc: "Pods to be away from."},
				},
			},
		},
		"failover": {Nesting: schema.Single, Later: later, Block: schema.Block{Doc: "What happens when a node dies.", Attributes: map[string]*schema.Attribute{
			"after": {Type: cty.String, Optional: true, Doc: "How long a node is missing before its replicas are replaced."},
		}}},
		"rollout": {Nesting: schema.Single, Later: later, Block: schema.Block{Doc: "How an update proceeds.", Attributes: map[string]*schema.Attribute{
			"strategy":          {Type: cty.String, Optional: true},
			"max_surge":         {Type: cty.Number, Optional: true},
			"max_unavailable":   {Type: cty.Number, Optional: true},
			"min_ready":         {Type: cty.String, Optional: true},
			"progress_deadline": {Type: cty.String, Optional: true},
			"auto_rollback":     {Type: cty.Bool, Optional: true},
		}}},
		"scale": {Nesting: schema.Single, Later: later, Block: schema.Block{Doc: "Range of an automatic replica count.", Attributes: map[string]*schema.Attribute{
			"min": {Type: cty.Number, Optional: true},
			"max": {Type: cty.Number, Optional: true},
			"cpu": {Type: cty.Number, Optional: true},
		}}},
	},
}

func containerBlock(init bool) schema.Block {
	b := schema.Block{
		Doc: "A container of the pod.",
		Attributes: map[string]*schema.Attribute{
			"image": {
				Type: cty.String, Required: true, Ref: &schema.Ref{Kinds: []string{"image"}, OrString: true, As: "ref"},
				Validate: notEmpty, Doc: "An image block (image.web) or a registry reference (\"docker.io/library/nginx:1.27\"), resolved to a digest by the plan.",
			},
			"command":   {Type: cty.List(cty.String), Optional: true, Doc: "Replaces the image's entrypoint."},
			"args":      {Type: cty.List(cty.String), Optional: true, Doc: "Replaces the image's command."},
			"env":       {Type: cty.Map(cty.String), Optional: true, Validate: validEnv, Doc: "Environment variables. Sensitive values are sealed to the nodes that run the pod."},
			"work_dir":  {Type: cty.String, Optional: true, Validate: absolute, Doc: "Working directory; default the image's."},
			"user":      {Type: cty.String, Optional: true, Validate: validUser, Doc: "\"1000\", \"1000:1000\" or a name in the image's /etc/passwd; default the image's."},
			"read_only": {Type: cty.Bool, Optional: true, Doc: "Whether the root file system is read-only."},
			"cap_add":   {Type: cty.List(cty.String), Optional: true, Validate: validCaps, Doc: "Capabilities beyond the default set, like \"NET_ADMIN\"."},
			// ref is what image resolved to; it is shown so that the plan names the digest.
			"ref": {Type: cty.String, Computed: true, Doc: "The image as containerd names it: NAME@sha256:…"},
		},
		Blocks: map[string]*schema.NestedBlock{
			"resources": {
				Nesting: schema.Single,
				Block: schema.Block{
					Doc: "Requests, by which the scheduler places; limits in a block of their own.",
					Attributes: map[string]*schema.Attribute{
						"cpu":    {Type: cty.String, Optional: true, Validate: providers.ValidCPU, Doc: "For example \"250m\"."},
						"memory": {Type: cty.String, Optional: true, Validate: providers.ValidBytes, Doc: "For example \"64Mi\"."},
					},
					Blocks: map[string]*schema.NestedBlock{
						"limits": {
							Nesting: schema.Single,
							Block: schema.Block{
								Doc: "What the container can never exceed.",
								Attributes: map[string]*schema.Attribute{
									"cpu":    {Type: cty.String, Optional: true, Validate: providers.ValidCPU, Doc: "For example \"1\"."},
									"memory": {Type: cty.String, Optional: true, Validate: providers.ValidBytes, Doc: "For example \"128Mi\". Beyond it the kernel kills the container."},
									"pids":   {Type: cty.Number, Optional: true, Validate: wholeNumber(1, 1<<22), Doc: "Processes and threads."},
								},
							},
						},
					},
				},
			},
			"mount": {
				Nesting: schema.List, Label: "path",
				Block: schema.Block{
					Doc: "Files at a path: of a config, of a secret, or of the host.",
					Attributes: map[string]*schema.Attribute{
						"config":    {Type: schema.RefType, Optional: true, Ref: &schema.Ref{Kinds: []string{"config"}}, Doc: "A config block: the path becomes a directory of its files."},
						"secret":    {Type: schema.RefType, Optional: true, Ref: &schema.Ref{Kinds: []string{"secret"}}, Doc: "A secret block: the path becomes a file on tmpfs."},
						"host":      {Type: cty.String, Optional: true, Validate: absolute, Doc: "A directory of the host, bound as it is."},
						"volume":    {Type: cty.String, Optional: true, Later: "Volumes come with a later version. Use host = \"/path\" for a directory of the host.", Doc: "A volume block."},
						"mode":      {Type: cty.String, Optional: true, Validate: validMode, Doc: "Mode of the files, octal: default \"0444\" for configs, \"0400\" for secrets."},
						"read_only": {Type: cty.Bool, Optional: true, Doc: "Of host mounts; configs and secrets always are."},
					},
				},
			},
		},
	}
	if init {
		b.Doc = "A container that runs to its end, with success, before the next one and the pod's containers start."
		return b
	}
	b.Blocks["port"] = &schema.NestedBlock{
		Nesting: schema.List, Label: "name",
		Block: schema.Block{
			Doc: "A port that the container listens on.",
			Attributes: map[string]*schema.Attribute{
				"container": {Type: cty.Number, Required: true, Validate: wholeNumber(1, 65535), Doc: "Port inside the pod."},
				"host":      {Type: cty.Number, Optional: true, Validate: wholeNumber(0, 65535), Doc: "Port of the node that leads to it; 0 or absent: none."},
				"protocol":  {Type: cty.String, Optional: true, Default: cty.StringVal("tcp"), Validate: providers.OneOf("tcp", "udp"), Doc: "\"tcp\" (default) or \"udp\"."},
			},
		},
	}
	probe := schema.Block{Doc: "Health checks.", Attributes: map[string]*schema.Attribute{}}
	b.Blocks["probe"] = &schema.NestedBlock{Nesting: schema.List, Label: "name", Later: later, Block: probe}
	return b
}

func notEmpty(v cty.Value) error {
	if v.AsString() == "" {
		return fmt.Errorf("it is empty")
	}
	return nil
}

func wholeNumber(lo, hi int64) func(cty.Value) error {
	return func(v cty.Value) error {
		n, acc := lang.Int64(v)
		if acc != big.Exact || n < lo || n > hi {
			return fmt.Errorf("%s is not a whole number from %d to %d", v.AsBigFloat().Text('f', -1), lo, hi)
		}
		return nil
	}
}

func absolute(v cty.Value) error {
	if s := v.AsString(); !path.IsAbs(s) || path.Clean(s) != s {
		return fmt.Errorf("%q is not a clean absolute path like \"/etc/nginx\"", s)
	}
	return nil
}

func validDuration(v cty.Value) error {
	d, err := time.ParseDuration(v.AsString())
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration; write it like \"5s\" or \"10m\"", v.AsString())
	}
	return nil
}

var modePattern = regexp.MustCompile(`^0?[0-7]{3}$`)

func validMode(v cty.Value) error {
	if !modePattern.MatchString(v.AsString()) {
		return fmt.Errorf("%q is not a file mode; write it like \"0400\"", v.AsString())
	}
	return nil
}

func validEnv(v cty.Value) error {
	if lang.AllTexts(v, func(name, text string) bool { return envName(name) && strings.IndexByte(text, 0) < 0 }) {
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if !envName(k.AsString()) {
			return fmt.Errorf("%q is not a name of an environment variable", k.AsString())
		}
		e, _ = e.Unmark()
		if e.IsKnown() && e.IsNull() {
			return fmt.Errorf("the value of %s is null; use \"\" or leave it out", k.AsString())
		}
		if e.IsKnown() && strings.ContainsRune(e.AsString(), 0) {
			return fmt.Errorf("the value of %s contains a NUL byte", k.AsString())
		}
	}
	return nil
}

// envName is ^[A-Za-z_][A-Za-z0-9_.-]*$.
func envName(s string) bool {
	return s != "" && (letter(s[0]) || s[0] == '_') &&
		every(s, func(c byte) bool { return letter(c) || digit(c) || c == '_' || c == '.' || c == '-' })
}

func validUser(v cty.Value) error {
	user, group, both := strings.Cut(v.AsString(), ":")
	if !account(user) || both && !account(group) {
		return fmt.Errorf("%q is not a user; write it like \"1000\", \"1000:1000\" or \"nginx\"", v.AsString())
	}
	return nil
}

// account is ^([0-9]+|[a-z_][a-z0-9_-]*)$: a number, or a name.
func account(s string) bool {
	if s == "" {
		return false
	}
	if digit(s[0]) {
		return every(s, digit)
	}
	return s[0] != '-' && every(s, func(c byte) bool { return c >= 'a' && c <= 'z' || digit(c) || c == '_' || c == '-' })
}

func validCaps(v cty.Value) error {
	if lang.AllTexts(v, func(_, text string) bool { return capability(text) }) {
		return nil
	}
	for _, e := range lang.Elements(v) {
		e, _ = e.Unmark()
		if e.IsKnown() && (e.IsNull() || !capability(e.AsString())) {
			return fmt.Errorf("a capability is written like \"NET_ADMIN\"")
		}
	}
	return nil
}

// capability is ^[A-Z_]+$, with or without CAP_.
func capability(s string) bool {
	return s != "" && every(s, func(c byte) bool { return c >= 'A' && c <= 'Z' || c == '_' })
}

func letter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// every reports whether all bytes are right.
func every(s string, right func(c byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !right(s[i]) {
			return false
		}
	}
	return true
}
