package load_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tieout/load"
	"tieout/schema"
)

// The promised limits of a block: the server takes so much in one piece.
const (
	rowsMax  = 100_000
	bytesMax = 64 << 20
)

func createdAt(row schema.Row) time.Time { return row.Base().CreatedAt }

// key is all that is stored of a test row, in words.
func key(row schema.Row) string {
	r := row.Base()
	return fmt.Sprintf("%s %d %x %s %s %d", r.ID, r.Version, r.PayloadHash, r.Status, r.CreatedAt.UTC().Format("2006-01"), r.FirstSeenAt.UnixMicro())
}

func keys(rows []schema.Row) []string {
	all := make([]string, 0, len(rows))
	for _, row := range rows {
		all = append(all, key(row))
	}
	slices.Sort(all)
	return all
}

// checkBlocks holds a cut to what makes each insert atomic: every row is in one block, and a block is of one month
// and of limited size.
func checkBlocks(t rapid.TB, rows []schema.Row, blocks []load.Block) {
	var together []schema.Row
	digests := map[string]bool{}
	for i, block := range blocks {
		together = append(together, block.Rows...)
		digests[block.Digest] = true
		months, size := map[string]bool{}, 0
		for _, row := range block.Rows {
			months[row.Base().CreatedAt.UTC().Format("2006-01")] = true
			size += len(row.Base().Payload)
		}
		if len(block.Rows) == 0 || len(block.Rows) > rowsMax || size > bytesMax && len(block.Rows) > 1 || len(months) != 1 {
			t.Fatalf("block %d of %d has %d rows, %d bytes, months %v", i, len(blocks), len(block.Rows), size, months)
		}
	}
	if !slices.Equal(keys(rows), keys(together)) {
		t.Fatalf("%d rows became %d in blocks, or others", len(rows), len(together))
	}
	if len(digests) != len(blocks) {
		t.Fatalf("%d blocks have %d digests", len(blocks), len(digests))
	}
}

// drawRow draws a row of a small world, so that keys repeat and months meet.
func drawRow(t *rapid.T) schema.Row {
	zone := time.FixedZone("zone", rapid.IntRange(-12, 14).Draw(t, "zone")*60*60)
	created := time.Date(2026, time.Month(rapid.IntRange(1, 3).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)
	row := &schema.Deposit{Record: schema.Record{
		ID: rapid.StringMatching(`[a1:]{1,2}`).Draw(t, "id"), Version: rapid.Uint64Range(0, 1).Draw(t, "version"),
		Status:      rapid.SampledFrom(schema.Statuses()[:2]).Draw(t, "status"),
		CreatedAt:   created.Add(-time.Duration(rapid.IntRange(0, 2).Draw(t, "before")) * time.Microsecond).In(zone),
		FirstSeenAt: dawn.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seen")) * time.Microsecond),
		Payload:     []byte("{}"),
	}}
	row.PayloadHash[31] = rapid.Byte().Draw(t, "hash") % 2
	return row
}

func drawRows(t *rapid.T) []schema.Row {
	rows := rapid.SliceOfN(rapid.Custom(drawRow), 0, 30).Draw(t, "rows")
	slices.SortFunc(rows, func(a, b schema.Row) int { return strings.Compare(key(a), key(b)) })
	return slices.CompactFunc(rows, func(a, b schema.Row) bool { return key(a) == key(b) })
}

func digests(blocks []load.Block) []string {
	var all []string
	for _, block := range blocks {
		all = append(all, block.Digest)
	}
	return all
}

// TestCut: the blocks hold the rows, whatever the order in which these come.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		shuffled := rapid.Permutation(rows).Draw(t, "order")
		before := slices.Clone(shuffled)
		blocks := load.Cut(rows, createdAt)
		checkBlocks(t, rows, blocks)
		again := load.Cut(shuffled, createdAt)
		checkBlocks(t, rows, again)
		if !slices.Equal(digests(blocks), digests(again)) {
			t.Fatalf("the order of the rows changes the digests: %q %q", digests(blocks), digests(again))
		}
		if !slices.Equal(before, shuffled) {
			t.Fatal("the caller's rows were moved")
		}
	})
}

// TestDigestIsOfTheContent changes one thing about one row: as a deduplication token the old digest would lose it.
func TestDigestIsOfTheContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		if len(rows) == 0 {
			return
		}
		before := digests(load.Cut(rows, createdAt))
		record := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")].Base()
		changes := map[string]func(){
			"id":        func() { record.ID += "x" },
			"split ids": func() { record.ID = "1:" + record.ID },
			"version":   func() { record.Version += 10 },
			"content":   func() { record.PayloadHash[0]++ },
			"status":    func() { record.Status += "d" },
			"time":      func() { record.FirstSeenAt = record.FirstSeenAt.Add(time.Second) },
		}
		name := rapid.SampledFrom([]string{"id", "split ids", "version", "content", "status", "time"}).Draw(t, "change")
		changes[name]()
		after := digests(load.Cut(rows, createdAt))
		if len(after) == len(before) && slices.Equal(before, after) {
			t.Fatalf("another %s, and the digests stay %q", name, before)
		}
	})
	row := sighting{"x", "A", 1}.row()
	one, more := load.Cut([]schema.Row{row}, createdAt), load.Cut([]schema.Row{row, sighting{"y", "A", 1}.row()}, createdAt)
	if one[0].Digest == more[0].Digest {
		t.Error("a page that has grown has its old digest")
	}
}

func TestCutByRows(t *testing.T) {
	var rows []schema.Row
	for i := range 2*rowsMax + 1 {
		rows = append(rows, &schema.Deposit{Record: schema.Record{ID: fmt.Sprintf("%07d", i), CreatedAt: dawn}})
	}
	blocks := load.Cut(rows, createdAt)
	checkBlocks(t, rows, blocks)
	if len(blocks) != 3 {
		t.Errorf("%d rows became %d blocks, want 3", len(rows), len(blocks))
	}
}

// TestCutByBytes: payloads count, and a row that is too big for any block still has one to itself.
func TestCutByBytes(t *testing.T) {
	megabyte := bytes.Repeat([]byte("x"), 1<<20)
	var rows []schema.Row
	for i := range 130 {
		rows = append(rows, &schema.Deposit{Record: schema.Record{ID: fmt.Sprintf("%07d", i), CreatedAt: dawn, Payload: megabyte}})
	}
	huge := &schema.Deposit{Record: schema.Record{ID: "0000064x", CreatedAt: dawn, Payload: bytes.Repeat(megabyte, 65)}}
	blocks := load.Cut(append(rows, huge), createdAt)
	checkBlocks(t, append(rows, huge), blocks)
	var sizes []int
	for _, block := range blocks {
		sizes = append(sizes, len(block.Rows))
	}
	if want := []int{64, 1, 1, 64, 1}; !slices.Equal(sizes, want) {
		t.Errorf("blocks of %v rows, want %v", sizes, want)
	}
}

func TestCutNothing(t *testing.T) {
	if blocks := load.Cut(nil, createdAt); len(blocks) != 0 {
		t.Errorf("nothing became %d blocks", len(blocks))
	}
}
