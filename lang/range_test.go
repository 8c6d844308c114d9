package lang

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// TestRangeOf: a diagnostic of a kind points to the argument or block that it is about.
func TestRangeOf(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"main.stowage.hcl": `pod "web" {
  replicas = 2
  container "a" {
    image = "x"
    args  = ["one",
      "two"]
  }
  container "b" {
    image = "y"
  }
}

pod "made" {
  dynamic "container" {
    for_each = ["a", "b"]
    labels   = [container.value]
    content {
      image = "x"
    }
  }
}
`})
	cfg, _ := Load(dir, Options{Schemas: testSchemas()})
	at := cty.GetAttrPath
	for _, tc := range []struct {
		block string
		path  cty.Path
		want  string // first line:column, last line
	}{
		{"pod.web", nil, "1:1-1"},
		{"pod.web", at("replicas"), "2:14-2"},
		{"pod.web", at("container").IndexInt(0), "3:3-3"},
		{"pod.web", at("container").IndexInt(0).GetAttr("args"), "5:13-6"},
		{"pod.web", at("container").IndexInt(0).GetAttr("args").IndexInt(1), "5:13-6"},
		{"pod.web", at("container").IndexInt(1).GetAttr("image"), "9:13-9"},
		{"pod.web", at("container").IndexInt(1).GetAttr("args"), "8:3-8"},  // left out
		{"pod.web", at("container").IndexInt(2).GetAttr("image"), "1:1-1"}, // there is none
		{"pod.web", at("container"), "1:1-1"},
		{"pod.web", at("nonsense"), "1:1-1"},
		{"pod.made", at("container").IndexInt(1).GetAttr("image"), "14:3-14"},
	} {
		for _, r := range cfg.Resources {
			if r.Address() != tc.block {
				continue
			}
			rng := r.RangeOf(tc.path)
			if got := fmt.Sprintf("%d:%d-%d", rng.Start.Line, rng.Start.Column, rng.End.Line); got != tc.want {
				t.Errorf("%s %#v: %s, want %s", tc.block, tc.path, got, tc.want)
			}
		}
	}
}
