package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestShellWords splits what stands in STOWAGE_CLI_ARGS as a shell would.
func TestShellWords(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  -a   -b ", []string{"-a", "-b"}},
		{`-var 'greeting=hello world'`, []string{"-var", "greeting=hello world"}},
		{`"a b"c'd e'`, []string{"a bcd e"}},
		{`a\ b \"`, []string{"a b", `"`}},
		{`'\' "\\"`, []string{`\`, `\`}},
		{`''`, []string{""}},
	} {
		got, err := shellWords(tc.in)
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q: %s", tc.in, diff)
		}
	}
	if _, err := shellWords(`-var 'x`); err == nil || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("an open quote gives %v", err)
	}
}

// TestShellWordsUndoQuoting quotes any words and splits them again.
func TestShellWordsUndoQuoting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.String()).Draw(t, "words")
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		got, err := shellWords(strings.Join(quoted, " "))
		if err != nil || strings.Join(got, "\x00") != strings.Join(words, "\x00") || len(got) != len(words) {
			t.Fatalf("%q became %q, %v", words, got, err)
		}
	})
}
