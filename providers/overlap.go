package providers

// Overlap says how an object and its replacement can exist at once.
type Overlap int

// The ways.
const (
	// NoOverlap: they cannot. create_before_destroy is refused.
	NoOverlap Overlap = iota
	// InPlace: the replacement takes the place of the old object, as an update does, and
	// nothing is left to be destroyed.
	InPlace
	// Beside: the replacement is made under another name, and the old object goes then.
	Beside
)

// Overlapper is a kind that says how its objects are replaced where the configuration
// asks for create_before_destroy. Without it a kind has NoOverlap.
type Overlapper interface {
	Kind
	// Overlap is constant. why is for people, and only with NoOverlap.
	Overlap() (how Overlap, why string)
}
