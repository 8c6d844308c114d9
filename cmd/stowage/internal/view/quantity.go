package view

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// bytesIn writes a size as people compare transfers, in powers of 1000: 2.1 MB.
func bytesIn(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 999.95 && unit < 4 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTP"[unit])
}

// memory writes a size as the language does, in powers of 1024: 512Mi, 7.25Gi.
func memory(n int64) string { return string(appendMemory(nil, n)) }

func appendMemory(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	units := [...]string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}
	f, unit := float64(n), 0
	for f >= 1024 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	if whole := int64(f); float64(whole) == f {
		b = strconv.AppendInt(b, whole, 10)
	} else {
		b = bytes.TrimRight(strconv.AppendFloat(b, f, 'f', 2, 64), "0")
		b = bytes.TrimSuffix(b, []byte("."))
	}
	return append(b, units[unit]...)
}

// cpu writes thousandths of a CPU as people say it: 250m, 1.5, 4.
func cpu(milli int64) string { return string(appendCPU(nil, milli)) }

func appendCPU(b []byte, milli int64) []byte {
	if milli != 0 && milli > -1000 && milli < 1000 {
		return append(strconv.AppendInt(b, milli, 10), 'm')
	}
	return strconv.AppendFloat(b, float64(milli)/1000, 'f', -1, 64)
}

// elapsed writes a duration in whole seconds, the way a person reads a clock: 0s, 12s, 3m5s.
func elapsed(d time.Duration) string { return d.Truncate(time.Second).String() }

// plural writes "1 replica", "3 replicas".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
