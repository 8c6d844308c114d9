package command

import (
	"strings"
	"testing"
)

// TestEveryCommandExplainsItself demands a synopsis and a page with an example.
func TestEveryCommandExplainsItself(t *testing.T) {
	app := App()
	if len(app.Commands) < 10 {
		t.Fatalf("only %d commands are registered", len(app.Commands))
	}
	seen := map[string]bool{}
	for _, c := range app.Commands {
		t.Run(c.Name, func(t *testing.T) {
			if seen[c.Name] {
				t.Error("registered twice")
			}
			seen[c.Name] = true
			if c.Synopsis == "" || strings.HasSuffix(c.Synopsis, ".") || len(c.Synopsis) > 60 {
				t.Errorf("the synopsis is a few words without a period: %q", c.Synopsis)
			}
			help := c.Help()
			if !strings.HasPrefix(help, "Usage: stowage "+c.Name) {
				t.Errorf("the help does not begin with the usage:\n%s", help)
			}
			_, example, ok := strings.Cut(help, "\nExample:\n")
			if !ok || !strings.Contains(example, "$ stowage "+c.Name) && !strings.Contains(example, "stowage "+c.Name) {
				t.Errorf("the help has no example of the command:\n%s", help)
			}
			if strings.Contains(help, "\t") {
				t.Error("the help has tabs")
			}
			for _, line := range strings.Split(help, "\n") {
				if len([]rune(line)) > 84 {
					t.Errorf("the help has a line of %d columns: %s", len(line), line)
				}
			}
		})
	}
}
