package testfile

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
)

// address writes a traversal as the address of an instance: pod.web["a"].
func address(t hcl.Traversal) string {
	text := ""
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			text += s.Name
		case hcl.TraverseAttr:
			text += "." + s.Name
		case hcl.TraverseIndex:
			text = lang.InstanceAddress(text, s.Key)
		}
	}
	return text
}
