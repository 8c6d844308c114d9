package fake_test

import (
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/agent/runtime/conformance"
	"github.com/stowage-iac/stowage/agent/runtime/fake"
)

func TestConformance(t *testing.T) {
	f := &fake.Runtime{}
	f.AddImage("img", runtime.Image{})
	spec := func(id string, args ...string) runtime.Spec {
		return runtime.Spec{ID: id, Image: "img", OCI: &specs.Spec{Process: &specs.Process{Args: args}}}
	}
	conformance.Run(t, conformance.Harness{
		Runtime: f, Image: "img",
		Forever: func(id string) runtime.Spec { return spec(id, "forever") },
		Ends:    func(id string, code int) runtime.Spec { return spec(id, "exit", strconv.Itoa(code)) },
	})
}
