package ssh

import "fmt"

// ExitError is a command that ended with a status other than 0.
type ExitError struct {
	Host   string
	Script string
	Status int // -1: ended by a signal or by the connection
	Output Output
}

// Error names the host, the status and the last line of standard error.
func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: command ended with status %d: %s", e.Host, e.Status, lastLine(e.Output.Stderr))
}

func lastLine(s string) string {
	end := len(s)
	for end > 0 && (s[end-1] == '\n' || s[end-1] == ' ') {
		end--
	}
	start := end
	for start > 0 && s[start-1] != '\n' {
		start--
	}
	return s[start:end]
}
