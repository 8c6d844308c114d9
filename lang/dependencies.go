package lang

import "slices"

// Dependencies are the blocks that this one refers to, itself or through other
// names, or names in depends_on; sorted by address.
func (r *Resource) Dependencies() []*Resource { return slices.Clone(r.refs) }
