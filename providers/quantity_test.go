package providers_test

import (
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/providers"
)

func TestQuantities(t *testing.T) {
	for _, tc := range []struct {
		in       string
		milliCPU int64
		bytes    int64
	}{
		{"1", 1000, 1},
		{"250m", 250, 1},
		{"0.5", 500, 1},
		{"1.0001", 1001, 2},
		{"64Mi", 64 << 20 * 1000, 64 << 20},
		{"10Gi", 10 << 30 * 1000, 10 << 30},
		{"500M", 500e6 * 1000, 500e6},
		{"1k", 1e6, 1000},
		{"1.5Ki", 1536e3, 1536},
		{"0", 0, 0},
	} {
		cpu, err := providers.MilliCPU(tc.in)
		if err != nil || cpu != tc.milliCPU {
			t.Errorf("MilliCPU(%q) = %d, %v; want %d", tc.in, cpu, err, tc.milliCPU)
		}
		bytes, err := providers.Bytes(tc.in)
		if err != nil || bytes != tc.bytes {
			t.Errorf("Bytes(%q) = %d, %v; want %d", tc.in, bytes, err, tc.bytes)
		}
	}
	for _, in := range []string{"", "-1", "1 Gi", "1gi", "Mi", "1e3", "0x10", ".5", "9999999999999999999", "99999999P"} {
		if _, err := providers.Bytes(in); err == nil {
			t.Errorf("Bytes(%q) is accepted", in)
		} else if !strings.Contains(err.Error(), in) {
			t.Errorf("Bytes(%q): the error does not name the value: %v", in, err)
		}
	}
}

func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"250m", "64Mi", "1.5Gi", "", "-1", "9999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := providers.Bytes(s); err == nil && n < 0 {
			t.Errorf("Bytes(%q) = %d", s, n)
		}
		if n, err := providers.MilliCPU(s); err == nil && n < 0 {
			t.Errorf("MilliCPU(%q) = %d", s, n)
		}
	})
}
