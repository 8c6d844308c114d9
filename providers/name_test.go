package providers_test

import (
	"testing"

	"github.com/stowage-iac/stowage/providers"
)

// TestObjectNames: names of objects lead back to their addresses, so that no two
// addresses of one kind share a name.
func TestObjectNames(t *testing.T) {
	for address, want := range map[string]string{
		"pod.web":                         "web",
		`pod.web["a.b"]`:                  `web["a.b"]`,
		`pod.web["module.x.y"]`:           `web["module.x.y"]`,
		"pod.module":                      "module",
		"module.app.pod.web":              "module.app.web",
		`module.app["a.b"].pod.web[0]`:    `module.app["a.b"].web[0]`,
		`module.a[0].module.b.pod.module`: `module.a[0].module.b.module`,
		`module.a["]"].pod.module["\"."]`: `module.a["]"].module["\"."]`,
	} {
		name := providers.ObjectName(address)
		if name != want {
			t.Errorf("%s is named %s, want %s", address, name, want)
		}
		if got := providers.AddressOf("pod", name); got != address {
			t.Errorf("%s is the name of %s, want %s", name, got, address)
		}
	}
}
