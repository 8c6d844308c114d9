package view

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// TestStream is an apply as a stream of JSON objects, one a line.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safe
		s := NewStream(View{}, &out, "0.1.0")
		s.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Unused", Detail: "Nothing uses it."}}, nil)
		p := wholePlan()
		p.Pods, p.Nodes = p.Pods[:1], nil
		s.Plan(p)
		scenario(s)
		s.Summary("apply", Summary{Add: 1}, "1 added, 0 changed, 0 destroyed")
		if err := s.Outputs(map[string]Output{"url": {Value: cty.StringVal("http://x")}, "token": {Value: sensitive(plant), Sensitive: true}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		golden(t, "stream.jsonl", out.String())
		for _, line := range lines(out.String()) {
			var record struct {
				Type, Level, Message string
				Timestamp            string `json:"@timestamp"`
			}
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Type == "" || record.Timestamp == "" {
				t.Errorf("%v: %s", err, line)
			}
		}
		if strings.Contains(out.String(), plant) {
			t.Error("a sensitive value is in the stream")
		}
	})
}
