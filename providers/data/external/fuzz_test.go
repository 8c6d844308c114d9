package external

import (
	"encoding/json"
	"maps"
	"testing"
)

// FuzzAnswer: what is accepted as an answer is what encoding/json reads of it.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b"}`, `{"a":1}`, `{"a":"b"} x`, `[`, `{"a":"\ud800"}`, `{"a":"b","a":"c"}`, "\xff", `{"a":"b",}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse(b)
		if err != nil {
			return
		}
		var want map[string]string
		if err := json.Unmarshal(b, &want); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q is read as %v; encoding/json: %v, %v", b, got, want, err)
		}
	})
}
