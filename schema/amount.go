package schema

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/shopspring/decimal"
)

// The shape of every amount column, Decimal(76, 18). ClickHouse and its driver cut what does not fit without a
// word, so these limits are enforced here and nowhere else.
const (
	AmountPrecision = 76 // decimal digits in all
	AmountScale     = 18 // of them behind the point
)

// amountTextMax bounds the text of an amount: 76 digits, a sign, a point and an exponent fit many times over.
const amountTextMax = 256

// amountExponentMax bounds a written exponent, so that "1e999999999" cannot ask for a gigabyte of digits.
const amountExponentMax = 400

// Amount is an exact decimal quantity in whole units of its currency (19.99, never cents). Its zero value is not
// zero but *unknown*: the partner did not say. Absent money and no money are different facts.
type Amount struct {
	value decimal.Decimal
	known bool
}

var errNoAmount = errors.New("is not a decimal number")

// ParseAmount reads a partner's number, as JSON writes it or as a decimal string, without loss. It refuses
// anything else, including an empty text, digit separators and NaN; it does not yet ask whether the amount fits
// a column (Amount.Fits).
func ParseAmount(text string) (Amount, error) {
	if len(text) > amountTextMax {
		return Amount{}, fmt.Errorf("is longer than %d characters", amountTextMax)
	}
	mantissa, exponent, err := splitExponent(text)
	if err != nil {
		return Amount{}, err
	}
	whole, fraction, _ := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	if sign := len(mantissa) - len(strings.TrimLeft(mantissa, "+-")); sign > 1 || whole+fraction == "" || !digits(whole+fraction) {
		return Amount{}, errNoAmount
	}
	coefficient, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Amount{}, errNoAmount
	}
	if strings.HasPrefix(mantissa, "-") {
		coefficient.Neg(coefficient)
	}
	return Amount{value: decimal.NewFromBigInt(coefficient, int32(exponent-len(fraction))), known: true}, nil
}

// splitExponent separates 12.5e-3 into its mantissa and its exponent in powers of ten.
func splitExponent(text string) (mantissa string, exponent int, err error) {
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		return text, 0, nil
	}
	written := text[at+1:]
	unsigned := strings.TrimPrefix(strings.TrimPrefix(written, "+"), "-")
	if len(written)-len(unsigned) > 1 || unsigned == "" || !digits(unsigned) {
		return "", 0, errNoAmount
	}
	unsigned = strings.TrimLeft(unsigned, "0")
	for _, digit := range unsigned {
		exponent = exponent*10 + int(digit-'0')
		if exponent > amountExponentMax {
			return "", 0, fmt.Errorf("has an exponent beyond %d", amountExponentMax)
		}
	}
	if strings.HasPrefix(written, "-") {
		exponent = -exponent
	}
	return text[:at], exponent, nil
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// Known reports whether the partner gave the amount at all.
func (a Amount) Known() bool { return a.known }

// Decimal returns the amount for arithmetic and for the driver; the zero decimal if it is unknown.
func (a Amount) Decimal() decimal.Decimal { return a.value }

// NullableDecimal returns the amount for a Nullable column: nil if it is unknown.
func (a Amount) NullableDecimal() *decimal.Decimal {
	if !a.known {
		return nil
	}
	return &a.value
}

// String returns the exact amount in plain digits, or "unknown".
func (a Amount) String() string {
	if !a.known {
		return "unknown"
	}
	return a.value.String()
}

// Equal reports whether both are the same number, however written, or both unknown.
func (a Amount) Equal(other Amount) bool {
	return a.known == other.known && a.value.Equal(other.value)
}

// Fits returns nil if the amount can be stored exactly in Decimal(76, 18), else an error that says what is too
// long. Zeros behind the last digit of a fraction do not count: 1.500 is as exact as 1.5.
func (a Amount) Fits() error {
	coefficient, exponent := a.value.Coefficient(), a.value.Exponent()
	if coefficient.Sign() == 0 {
		return nil
	}
	text := strings.TrimPrefix(coefficient.String(), "-")
	trimmed := strings.TrimRight(text, "0")
	exponent += int32(len(text) - len(trimmed))
	if -exponent > AmountScale {
		return fmt.Errorf("has %d digits behind the point, %d fit", -exponent, AmountScale)
	}
	if whole := len(trimmed) + int(exponent); whole > AmountPrecision-AmountScale {
		return fmt.Errorf("has %d digits before the point, %d fit", whole, AmountPrecision-AmountScale)
	}
	return nil
}

// Shift returns the amount with its decimal point moved by digits to the right, exactly; unknown stays unknown.
func (a Amount) Shift(digits int) Amount {
	if !a.known || digits == 0 {
		return a
	}
	return Amount{value: a.value.Shift(int32(digits)), known: true}
}

// Negate returns the amount with the other sign; unknown stays unknown.
func (a Amount) Negate() Amount {
	return Amount{value: a.value.Neg(), known: a.known}
}

// Negative reports whether the amount is known and below zero.
func (a Amount) Negative() bool { return a.known && a.value.Sign() < 0 }
