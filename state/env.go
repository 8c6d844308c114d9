package state

// Env is what a backend may use of the process that opens it.
type Env struct {
	// Getenv reads the environment: credentials come from there.
	Getenv func(string) string
	// Dir is a directory of the working copy (.stowage) for what a backend must keep
	// on this machine. It is made when it is needed.
	Dir string
}
