package image

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A source gives what its manifest says, or says why it cannot; what was handed
// on is told of, the last of it by count.
func TestSource(t *testing.T) {
	changed := errors.New("changed since the plan")
	for name, test := range map[string]struct {
		r    io.Reader
		says string
	}{
		"as the manifest says": {strings.NewReader("0123456789"), ""},
		"byte by byte":         {iotest.OneByteReader(strings.NewReader("0123456789")), ""},
		"end with the data":    {iotest.DataErrReader(strings.NewReader("0123456789")), ""},
		"too short":            {strings.NewReader("01234567"), "ends 2 bytes before"},
		"too long":             {strings.NewReader("0123456789a"), "more bytes"},
		"broken":               {io.MultiReader(strings.NewReader("0123"), iotest.ErrReader(changed)), "changed"},
		"found out at the end": {io.MultiReader(strings.NewReader("0123456789"), iotest.ErrReader(changed)), "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			told := int64(0)
			s := &source{r: io.NopCloser(test.r), left: 10, sent: func(n int64) { told += n }}
			b, err := io.ReadAll(s)
			failed := s.failed.Load()
			if (err == nil) != (test.says == "") || (failed == nil) != (err == nil) {
				t.Fatalf("read %q, %v; failed: %v", b, err, failed)
			}
			if err != nil {
				if !strings.HasPrefix(failed.Error(), "read the layer: ") || !strings.Contains(failed.Error(), test.says) {
					t.Errorf("it says %v", failed)
				}
				return
			}
			if s.count(); string(b) != "0123456789" || told != 10 {
				t.Errorf("read %q, told of %d", b, told)
			}
		})
	}
}
