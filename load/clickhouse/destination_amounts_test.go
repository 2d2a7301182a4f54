package clickhouse_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"tieout/schema"
)

// amountText makes up a number as partners write them: with signs, zeros in front and behind, and exponents; often at
// the edge of what fits a column, and some beyond.
func amountText(random *rand.Rand) string {
	some := func(most int) string {
		count := random.IntN(most + 1)
		if random.IntN(4) == 0 {
			count = most - random.IntN(2)
		}
		digits := make([]byte, count)
		for i := range digits {
			digits[i] = "0123456789"[random.IntN(10)]
		}
		if random.IntN(5) == 0 {
			return strings.Repeat("9", count)
		}
		return string(digits)
	}
	text := []string{"", "-", "0", "-00"}[random.IntN(4)] + "0" + some(59)
	if random.IntN(3) > 0 {
		text += "." + some(19) + strings.Repeat("0", random.IntN(4))
	}
	if random.IntN(3) == 0 {
		text += []string{"e", "E", "e+", "E-", "e-0"}[random.IntN(5)] + fmt.Sprint(random.IntN(20))
	}
	return strings.TrimSuffix(text, ".")
}

// fits says by arithmetic of its own whether a number is one of Decimal(76, 18).
func fits(number *big.Rat) bool {
	scaled := new(big.Rat).Mul(number, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(76), nil)
	return scaled.IsInt() && scaled.Num().CmpAbs(limit) < 0
}

// testAmounts: every number that fits a column comes back as the partner wrote it, from an amount and from a fee that
// may be missing; every other one is refused before it gets there. The truth is that of math/big.
func testAmounts(t *testing.T, w *warehouse) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // test data
	want := map[string]*big.Rat{}
	var rows []schema.Row
	refused := 0
	for i := range 3000 {
		text := amountText(random)
		number, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		amount, err := schema.ParseAmount(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		id := fmt.Sprint("a", i)
		row := deposit(id, schema.StatusCompleted, "0", 0)
		row.Amount, row.Fee = amount, amount
		if valid := schema.Validate(row) == nil; valid != fits(number) {
			t.Errorf("%q fits: %t, and is valid: %t", text, fits(number), valid)
			continue
		} else if !valid {
			refused++
			continue
		}
		want[id] = number
		rows = append(rows, row)
	}
	if len(rows) < 500 || refused < 100 {
		t.Fatalf("%d fit and %d do not: the test shows less than it seems", len(rows), refused)
	}
	w.write(t, deposits("run", rows...), len(rows))
	for _, line := range w.texts(t, "SELECT concat(deposit_id, ' ', toString(amount), ' ', toString(assumeNotNull(fee))) AS text FROM {db}.deposits") {
		parts := strings.Fields(line)
		for _, stored := range parts[1:] {
			if number, ok := new(big.Rat).SetString(stored); !ok || number.Cmp(want[parts[0]]) != 0 {
				t.Errorf("%s is stored as %s, want %s", parts[0], stored, want[parts[0]].FloatString(19))
			}
		}
		delete(want, parts[0])
	}
	if len(want) > 0 {
		t.Errorf("%d amounts are missing", len(want))
	}
	// By way of the driver as well: that is what tombstones and remaps read.
	w.compareReadBack(t, rows)
}

// compareReadBack holds the rows that are read again to those that were written.
func (w *warehouse) compareReadBack(t *testing.T, rows []schema.Row) {
	t.Helper()
	written := map[string]schema.Row{}
	for _, row := range rows {
		written[row.Base().ID] = row
	}
	read := 0
	for _, stored := range w.storedVersions(t) {
		read++
		was, is := written[stored.Row.Base().ID].(*schema.Deposit), stored.Row.(*schema.Deposit)
		if !was.Amount.Equal(is.Amount) || !was.Fee.Equal(is.Fee) {
			t.Errorf("%s and %s are read back as %s and %s", was.Amount, was.Fee, is.Amount, is.Fee)
		}
	}
	if read != len(rows) {
		t.Errorf("%d of %d rows were read back", read, len(rows))
	}
}
