package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/stowage-iac/stowage/api"
)

func version(context.Context, []string) error {
	fmt.Printf("stowaged %s (API %d, %s %s/%s)\n", api.StowageVersion, api.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
