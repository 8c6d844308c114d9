package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/stowage-iac/stowage/api"
)

// Version is set by the linker.
var Version = "dev"

func version(context.Context, []string) error {
	fmt.Printf("stowaged %s (API %d, %s %s/%s)\n", Version, api.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
