package providers

import (
	"fmt"
	"math/big"
	"regexp"

	"github.com/zclconf/go-cty/cty"
)

var quantityPattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$`)

var quantitySuffix = map[string]*big.Rat{
	"":   big.NewRat(1, 1),
	"m":  big.NewRat(1, 1000),
	"k":  big.NewRat(1e3, 1),
	"M":  big.NewRat(1e6, 1),
	"G":  big.NewRat(1e9, 1),
	"T":  big.NewRat(1e12, 1),
	"P":  big.NewRat(1e15, 1),
	"Ki": big.NewRat(1<<10, 1),
	"Mi": big.NewRat(1<<20, 1),
	"Gi": big.NewRat(1<<30, 1),
	"Ti": big.NewRat(1<<40, 1),
	"Pi": big.NewRat(1<<50, 1),
}

// MilliCPU reads a CPU quantity as Kubernetes writes it: "250m", "1", "0.5". The
// result is in thousandths of a CPU, rounded up.
func MilliCPU(s string) (int64, error) {
	return quantity(s, 1000, `"250m", "0.5" or "2"`)
}

// Bytes reads a memory or storage quantity as Kubernetes writes it: "64Mi", "10Gi",
// "500M". The result is in bytes, rounded up.
func Bytes(s string) (int64, error) {
	return quantity(s, 1, `"64Mi", "1Gi" or "500M"`)
}

func quantity(s string, unit int64, examples string) (int64, error) {
	m := quantityPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a quantity; write it like %s", s, examples)
	}
	n, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return 0, fmt.Errorf("%q is not a quantity; write it like %s", s, examples)
	}
	n.Mul(n, quantitySuffix[m[2]])
	n.Mul(n, big.NewRat(unit, 1))
	q, r := new(big.Int).QuoRem(n.Num(), n.Denom(), new(big.Int))
	if r.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	if !q.IsInt64() {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return q.Int64(), nil
}

// ValidCPU and ValidBytes are schema validations of quantities.
func ValidCPU(v cty.Value) error {
	_, err := MilliCPU(v.AsString())
	return err
}

// ValidBytes checks a memory or storage quantity.
func ValidBytes(v cty.Value) error {
	_, err := Bytes(v.AsString())
	return err
}
