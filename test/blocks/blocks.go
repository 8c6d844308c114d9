// Package blocks makes large configurations of plain blocks, as people write them by
// the thousand: the same ten arguments, for Stowage and for its peer.
package blocks

import (
	"fmt"
	"strings"
)

// argument is one of a block, with the text of its value.
type argument struct{ name, value string }

// pod and container are the arguments of block i.
func pod(i int) []argument {
	return []argument{{"replicas", "1"}, {"stop_grace", fmt.Sprintf("\"%ds\"", i%60+1)}}
}

func container(i int, image string) []argument {
	return []argument{
		{"image", image}, {"command", `["/content"]`}, {"args", fmt.Sprintf(`["-n", "%d"]`, i)},
		{"env", fmt.Sprintf(`{ NUMBER = "%d", MODE = "prod" }`, i)}, {"work_dir", `"/"`}, {"user", `"1000"`}, {"read_only", "true"},
		{"cap_add", `["NET_ADMIN"]`},
	}
}

// Pod is block i, a pod of the image "x".
func Pod(i int) string {
	return fmt.Sprintf("pod \"p%d\" {\n%s  container \"a\" {\n%s  }\n}\n", i, lines("  ", pod(i)), lines("    ", container(i, "image.x")))
}

// TerraformData is block i as Terraform and OpenTofu have it without any provider.
func TerraformData(i int) string {
	return fmt.Sprintf("resource \"terraform_data\" \"p%d\" {\n  input = {\n%s  }\n}\n", i, lines("    ", append(pod(i), container(i, `"x"`)...)))
}

// lines writes arguments one below the other, as fmt aligns them.
func lines(indent string, arguments []argument) string {
	width := 0
	for _, a := range arguments {
		width = max(width, len(a.name))
	}
	var b strings.Builder
	for _, a := range arguments {
		fmt.Fprintf(&b, "%s%-*s = %s\n", indent, width, a.name, a.value)
	}
	return b.String()
}
