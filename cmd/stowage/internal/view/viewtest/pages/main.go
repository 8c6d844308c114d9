// Command pages writes the pages that test/browser opens into a directory.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/html"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/viewtest"
	"github.com/stowage-iac/stowage/planner"
)

// breaker tries what a name or a value can try in a page.
const breaker = `<img src=x onerror="window.broken=1"></pre></script><script>window.broken=1</script>" onclick="window.broken=1" javascript:window.broken=1`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pages DIR")
		os.Exit(1)
	}
	for name, p := range map[string]*planner.Plan{
		"rich": viewtest.Rich(), "big": viewtest.Big(10_000), "hostile": viewtest.Hostile(breaker), "empty": {},
	} {
		var b bytes.Buffer
		err := html.Plan(&b, viewtest.View(), p)
		if err == nil {
			err = os.WriteFile(filepath.Join(os.Args[1], name+".html"), b.Bytes(), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
