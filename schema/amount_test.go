package schema_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tieout/schema"
)

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "+7": "7", "007.50": "7.5", ".5": "0.5", "5.": "5", "-.25": "-0.25",
		"19.99": "19.99", "1.500": "1.5", "1e3": "1000", "1.25E+2": "125", "12.5e-3": "0.0125", "1e0000000003": "1000",
		"0.000000000000000001":             "0.000000000000000001",
		"123456789012345678901234567890.1": "123456789012345678901234567890.1",
		"9007199254740993":                 "9007199254740993", // no float64 holds it
		"0.1e1":                            "1",
		"1e400":                            "1" + strings.Repeat("0", 400),
	} {
		amount, err := schema.ParseAmount(text)
		if err != nil || !amount.Known() || amount.String() != want {
			t.Errorf("%.40q is %.60s (known %t), %v; want %.60s", text, amount, amount.Known(), err, want)
		}
	}
}

// TestParseAmountRefuses: what is not plainly a number is an error, never zero and never a guess.
func TestParseAmountRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1e-", "1e+-5", "1e5e6", "1e1.5", "--1", "+-1", "-+1", "1-", "1.2.3",
		" 1", "1 ", "1 000", "1,000", "1,5", "1_000", "0x10", "0b1", "1e401", "1e-401", "1e99999999999999999999",
		"NaN", "nan", "Inf", "-Infinity", "null", "unknown", "1\n", "1\x00", "١", "１", "½", "1°", "$1", strings.Repeat("1", 257),
	} {
		if amount, err := schema.ParseAmount(text); err == nil || amount.Known() {
			t.Errorf("%.40q became %s (known %t), %v", text, amount, amount.Known(), err)
		}
	}
	if _, err := schema.ParseAmount(strings.Repeat("1", 256)); err != nil {
		t.Errorf("the longest text that is allowed: %v", err)
	}
}

// TestUnknownAmount: what the partner did not say is a state of its own, which neither equals nor prints as zero.
func TestUnknownAmount(t *testing.T) {
	var unknown schema.Amount
	zero := amount(t, "0.00")
	if unknown.Known() || unknown.NullableDecimal() != nil || unknown.String() != "unknown" || unknown.Fits() != nil {
		t.Errorf("unknown is %s, known %t, nullable %v", unknown, unknown.Known(), unknown.NullableDecimal())
	}
	if unknown.Equal(zero) || zero.Equal(unknown) || !unknown.Equal(schema.Amount{}) {
		t.Error("unknown equals zero, or not itself")
	}
	if decimal := zero.NullableDecimal(); decimal == nil || !decimal.IsZero() || zero.String() != "0" {
		t.Errorf("zero is %s, nullable %v", zero, decimal)
	}
	if !amount(t, "1.50").Equal(amount(t, "15e-1")) || amount(t, "1.5").Equal(amount(t, "1.51")) || amount(t, "1").Equal(amount(t, "-1")) {
		t.Error("equality is not that of numbers")
	}
}

func TestAmountFits(t *testing.T) {
	nines := strings.Repeat("9", 58)
	for text, want := range map[string]string{
		"0":                                      "",
		"0e-400":                                 "",
		nines:                                    "",
		"-" + nines + "." + nines[:18]:           "",
		"1e57":                                   "",
		"1e-18":                                  "",
		"0.000000000000000001000000000000":       "",
		"1" + strings.Repeat("0", 57):            "",
		"12e-19":                                 "has 19 digits behind the point, 18 fit",
		"0.0000000000000000001":                  "has 19 digits behind the point, 18 fit",
		"9" + nines:                              "has 59 digits before the point, 58 fit",
		"1e58":                                   "has 59 digits before the point, 58 fit",
		"-1" + strings.Repeat("0", 58) + ".5":    "has 59 digits before the point, 58 fit",
		nines + "." + nines[:18] + "00000000001": "has 29 digits behind the point, 18 fit",
	} {
		got := ""
		if err := amount(t, text).Fits(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestAmountIsTheNumberThatWasWritten compares with the standard library's fractions, which never round.
func TestAmountIsTheNumberThatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[-+]?([0-9]{1,90}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,2})?`).Draw(t, "text")
		checkAmount(t, text)
	})
}

// FuzzParseAmount: whatever the text, an amount that is accepted is exactly the number that was written.
func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"0", "-1.5", "1e57", "12.5e-3", ".5", "1.2.3", "--1", "1e401", "99999999999999999999.000000000000000001", "NaN", "0x1p-2", "1/3", "1_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := schema.ParseAmount(text); err == nil {
			checkAmount(t, text)
		}
	})
}

// checkAmount holds the amount of a text to the same number as a fraction: its text, its decimal, and whether it
// fits.
func checkAmount(t interface {
	Fatalf(format string, args ...any)
}, text string,
) {
	want, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number to the standard library", text)
	}
	amount, err := schema.ParseAmount(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if shown, ok := new(big.Rat).SetString(amount.String()); !ok || shown.Cmp(want) != 0 {
		t.Fatalf("%q shows as %q", text, amount)
	}
	if again, err := schema.ParseAmount(amount.String()); len(amount.String()) <= 256 && (err != nil || !again.Equal(amount)) {
		t.Fatalf("%q shows as %q, which reads as %s, %v", text, amount, again, err)
	}
	if amount.Decimal().Rat().Cmp(want) != 0 || amount.NullableDecimal().Rat().Cmp(want) != 0 {
		t.Fatalf("%q has the decimal %s", text, amount.Decimal())
	}
	if err := amount.Fits(); (err == nil) != fits(want) {
		t.Fatalf("%q: Fits says %v, it fits: %t", text, err, fits(want))
	}
}

// fits is Decimal(76, 18) from its definition: a whole number of units of 10^-18, of at most 76 digits.
func fits(number *big.Rat) bool {
	units := new(big.Rat).Mul(number, new(big.Rat).SetInt(power(18)))
	return units.IsInt() && units.Num().CmpAbs(power(76)) < 0
}

func power(exponent int64) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(exponent), nil)
}

func amount(t *testing.T, text string) schema.Amount {
	t.Helper()
	amount, err := schema.ParseAmount(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return amount
}
