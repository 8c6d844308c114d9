// Stowage is the command line: it plans where containers go on your hosts and
// applies exactly that plan. Everything it does lies in the packages below internal.
package main

import (
	"context"
	"os"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command"
)

func main() {
	collectRarely()
	os.Exit(stowage())
}

func stowage() int {
	t := cli.Process()
	if err := cli.StartLog(t); err != nil {
		return t.Usage("%s: %v", cli.Name, err)
	}
	return command.App().Main(context.Background(), t, os.Args[1:])
}
