package lang

import (
	"fmt"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

func (l *loader) defineSettings() {
	b := l.module.stowage
	if b == nil {
		return
	}
	s := &l.config.Settings
	s.Range = b.DefRange()
	m := l.members(b.Body, "the stowage block", nil)
	if a := m.attr("required_version"); a != nil {
		s.RequiredVersion = l.constString(a, "the stowage block")
		l.checkVersion(s.RequiredVersion, a.Expr.Range())
	}
	l.general = m.one("backend", "type")
	if encryption := m.one("encryption"); encryption != nil {
		l.defineEncryption(encryption)
	}
	m.done()
}

func (l *loader) checkVersion(required string, rng hcl.Range) {
	if required == "" {
		return
	}
	constraint, err := version.NewConstraint(required)
	if err != nil {
		l.errorf("Invalid version constraint", rng, "required_version is a list of comparisons such as \">= 0.1, < 2.0\"; %q is not.", required)
		return
	}
	if l.opts.Version == "" {
		return
	}
	have, err := version.NewVersion(l.opts.Version)
	// A development build is as good as the release that it precedes.
	if err == nil && !constraint.Check(have.Core()) {
		l.errorf("Other version of Stowage required", rng, "This configuration requires Stowage %s; this is %s. Install a matching version, or change required_version.", required, l.opts.Version)
	}
}

func (l *loader) defineEncryption(b *hclsyntax.Block) {
	e := &Encryption{Range: b.DefRange()}
	l.config.Settings.Encryption = e
	const in = "the encryption block"
	m := l.members(b.Body, in, map[string]string{"passphrase": "Name the environment variable that holds it: passphrase_env = \"STOWAGE_PASSPHRASE\"."})
	e.Recipients = l.constStrings(m.attr("recipients"), in)
	e.Identities = l.constStrings(m.attr("identities"), in)
	e.PassphraseEnv = l.constString(m.attr("passphrase_env"), in)
	e.Enforced = l.constBool(m.attr("enforced"), in)
	if fallback := m.one("fallback"); fallback != nil {
		const in = "the fallback block"
		f := l.members(fallback.Body, in, nil)
		e.Fallback.Identities = l.constStrings(f.attr("identities"), in)
		e.Fallback.PassphraseEnv = l.constString(f.attr("passphrase_env"), in)
		f.done()
		if len(fallback.Body.Attributes) == 0 {
			l.errorf("Missing argument", fallback.DefRange(), "The fallback block needs identities or passphrase_env: the keys that were used before.")
		}
	}
	m.done()
	if len(b.Body.Attributes)+len(b.Body.Blocks) == 0 {
		l.errorf("Missing argument", b.DefRange(), "The encryption block needs recipients, identities, passphrase_env, enforced or a fallback block.")
	}
}

func (l *loader) constStrings(a *hclsyntax.Attribute, in string) []string {
	v, ok := l.constant(a, cty.List(cty.String), in)
	if !ok || v.IsNull() {
		return nil
	}
	var list []string
	for i, e := range v.AsValueSlice() {
		if e.IsNull() {
			l.errorf("Wrong type of value", a.Expr.Range(), "%s in %s: %s is null.", a.Name, in, fmt.Sprintf("element %d", i))
			return nil
		}
		list = append(list, e.AsString())
	}
	return list
}
