// Package numbers bounds the numbers of the language. A text of eleven bytes,
// 1e999999999, is a number that takes a gigabyte to write out, and one of a million
// digits takes seconds to read: both are refused where a number comes into being, which
// is in a literal, in a text that becomes a number, in what is decoded, and in the
// result of an operator or a function.
package numbers

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

const (
	// MaxExponent is how large a number can be, and how small if it is not 0, as a
	// power of ten: written out it has no more digits than that before and after the
	// point. 1e-1000 takes a millisecond to write out, 1e-10000 a fifth of a second.
	MaxExponent = 1_000
	// MaxDigits is how many digits can be written for a number, before an exponent.
	MaxDigits = 2 * MaxExponent
)

var (
	errSize     = fmt.Errorf("a number of more than %d digits when it is written out; numbers are from 1e-%d to 1e%d in magnitude", MaxExponent, MaxExponent, MaxExponent)
	errDigits   = fmt.Errorf("a number of more than %d digits; write it as a text", MaxDigits)
	errInfinite = errors.New("an infinite number")
)

// largest and smallest are the bounds, in magnitude.
var (
	largest, smallest       = power(fmt.Sprintf("1e%d", MaxExponent)), power(fmt.Sprintf("1e-%d", MaxExponent))
	largestBits, fewestBits = largest.MantExp(nil), smallest.MantExp(nil)
)

func power(s string) *big.Float {
	return cty.MustParseNumberVal(s).AsBigFloat()
}

// Size is what is wrong with a number, or nil.
func Size(f *big.Float) error {
	if f.Sign() == 0 {
		return nil
	}
	if f.IsInf() {
		return errInfinite
	}
	bits := f.MantExp(nil)
	if bits < largestBits && bits > fewestBits {
		return nil
	}
	abs := new(big.Float).Abs(f)
	if abs.Cmp(largest) > 0 || abs.Cmp(smallest) < 0 {
		return errSize
	}
	return nil
}

// Digits is about how many digits a known number has when it is written out.
func Digits(v cty.Value) int {
	f := v.AsBigFloat()
	if f.IsInf() || f.Sign() == 0 {
		return 1
	}
	bits := f.MantExp(nil)
	if bits < 0 {
		bits = -bits
	}
	return bits*30103/100000 + 1
}

// Check is what is wrong with a number in a value, or nil.
func Check(v cty.Value) error {
	if !HasNumbers(v.Type()) {
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	if v.Type() == cty.Number {
		return Size(v.AsBigFloat())
	}
	if !v.CanIterateElements() {
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if err := Check(e); err != nil {
			return err
		}
	}
	return nil
}

// HasNumbers reports whether a value of a type can hold numbers.
func HasNumbers(ty cty.Type) bool {
	return Holds(ty, func(ty cty.Type) bool { return ty == cty.Number || ty == cty.DynamicPseudoType })
}

// Holds reports whether a type, or one of which its values consist, is such.
func Holds(ty cty.Type, such func(cty.Type) bool) bool {
	if such(ty) {
		return true
	}
	switch {
	case ty.IsCollectionType():
		return Holds(ty.ElementType(), such)
	case ty.IsObjectType():
		for _, a := range ty.AttributeTypes() {
			if Holds(a, such) {
				return true
			}
		}
	case ty.IsTupleType():
		for _, e := range ty.TupleElementTypes() {
			if Holds(e, such) {
				return true
			}
		}
	}
	return false
}

// Text is what is wrong with a text that is to become a number, apart from not being
// one: it must be asked before the text is parsed.
func Text(s string) error {
	digits, zero, at := 0, true, 0
mantissa:
	for ; at < len(s); at++ {
		switch c := s[at]; {
		case '0' <= c && c <= '9':
			digits++
			zero = zero && c == '0'
		case c == '.' || c == '_' || at == 0 && (c == '-' || c == '+'):
		default:
			break mantissa
		}
	}
	switch {
	case digits > MaxDigits:
		return errDigits
	case digits > 0 && !zero && beyond(s[at:]):
		return errSize
	}
	return nil
}

// Beyond is what is wrong with the number that a text is, or nil if it is none.
func Beyond(s string) error {
	if err := Text(s); err != nil {
		return err
	}
	if len(s) <= MaxExponent && !strings.ContainsAny(s, "eEpPnN") { // few digits, and no exponent
		return nil
	}
	v, err := cty.ParseNumberVal(s)
	if err != nil {
		return nil
	}
	return Size(v.AsBigFloat())
}

// beyond reports whether the end of a number is an exponent so large that it does not
// matter what stands before it.
func beyond(s string) bool {
	if s == "" || !strings.ContainsRune("eEpP", rune(s[0])) {
		return false
	}
	s = strings.TrimLeft(strings.TrimLeft(s[1:], "+-"), "0_")
	return len(s) > 6 && strings.Trim(s, "0123456789_") == ""
}

// Texts is what is wrong with the texts in v that become numbers in a conversion to ty.
func Texts(v cty.Value, ty cty.Type) error {
	if v.Type().Equals(ty) || !HasNumbers(ty) {
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch {
	case v.Type() == cty.String:
		if ty == cty.Number {
			return Beyond(v.AsString())
		}
		return nil
	case !v.CanIterateElements():
		return nil
	}
	return Elements(v, ty, Texts)
}

// Elements calls f for each element of v with the type that it gets in a conversion of v to
// ty, cty.DynamicPseudoType where ty says nothing of it. v has no marks and can be iterated.
func Elements(v cty.Value, ty cty.Type, f func(e cty.Value, ty cty.Type) error) error {
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		key, e := it.Element()
		want := cty.DynamicPseudoType
		switch {
		case ty.IsCollectionType():
			want = ty.ElementType()
		case ty.IsObjectType() && key.Type() == cty.String:
			if key, _ = key.Unmark(); key.IsKnown() && !key.IsNull() && ty.HasAttribute(key.AsString()) {
				want = ty.AttributeType(key.AsString())
			}
		case ty.IsTupleType() && i < ty.Length():
			want = ty.TupleElementType(i)
		}
		if err := f(e, want); err != nil {
			return err
		}
	}
	return nil
}

// Convert is convert.Convert, with texts that become numbers within the bounds.
func Convert(v cty.Value, ty cty.Type) (cty.Value, error) {
	return Bounded(v, ty, Caught)
}

// Caught is convert.Convert, and fails where that panics, as for an unknown list that
// becomes an object with a tuple of any in it.
func Caught(v cty.Value, ty cty.Type) (got cty.Value, err error) {
	defer func() {
		if recover() != nil {
			got, err = cty.UnknownVal(ty), errors.New(convert.MismatchMessage(v.Type(), ty))
		}
	}()
	return convert.Convert(v, ty)
}

// Bounded converts by a function, with texts that become numbers within the bounds.
func Bounded(v cty.Value, ty cty.Type, by func(cty.Value, cty.Type) (cty.Value, error)) (cty.Value, error) {
	from := v.Type()
	if ty == cty.DynamicPseudoType {
		return by(v, ty)
	}
	if plain := from.IsPrimitiveType() && (from != cty.String || ty != cty.Number); plain && ty.IsPrimitiveType() || !HasNumbers(ty) {
		return by(v, ty)
	}
	if err := Texts(v, ty); err != nil {
		return cty.UnknownVal(ty), err
	}
	return by(v, ty)
}

// FromJSON is ctyjson.Unmarshal of numbers within the bounds.
func FromJSON(text []byte, ty cty.Type) (cty.Value, error) {
	if err := InJSON(string(text)); err != nil {
		return cty.NilVal, err
	}
	v, err := ctyjson.Unmarshal(text, ty)
	if err == nil {
		err = Check(v)
	}
	if err != nil {
		return cty.NilVal, err
	}
	return v, nil
}

// InJSON is what is wrong with the length of a number in a text, whether it is JSON or not.
func InJSON(text string) error {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case '0' <= c && c <= '9':
			from, plain := i, true
			for i+1 < len(text) && strings.IndexByte("0123456789.eE+-", text[i+1]) >= 0 {
				i++
				plain = plain && text[i] != 'e' && text[i] != 'E'
			}
			if !plain || i-from >= MaxDigits {
				if err := Text(text[from : i+1]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
