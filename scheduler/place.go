package scheduler

// Place decides for every request. Nodes and requests are not changed.
// A Where that does not parse rules out every node, with the parser's message.
func Place(nodes []Node, requests []Request) Result { return Result{} }

// Filter says why a replica of the request cannot run on node now: no clause
// when it can. Request.Slots, Previous and OnAll do not matter.
func Filter(node Node, r Request) []string { return nil }

// Eligible reports whether the node's rules (schedulable, taints, where) allow
// the request, whatever room is left.
func Eligible(node Node, r Request) bool { return false }
