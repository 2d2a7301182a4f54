package load

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"tieout/schema"
)

// Current is the last version of a record that is stored.
type Current struct {
	Version     uint64    // number of the change, from 1
	PayloadHash [32]byte  // of its content, as in schema.Record
	Gone        bool      // it is a tombstone
	CreatedAt   time.Time // when the partner had made it, by that version
	// Sights is what the batch's own run has stored of the record already, in the order of the versions, after the
	// version that it found (its FirstSeenAt is zero). It tells a batch that is written again from a record that
	// went back to an older state. Nil if the run has stored nothing of it.
	Sights []Sight
}

// Sight is a stored version as it was first seen.
type Sight struct {
	Version     uint64    // number of the change
	PayloadHash [32]byte  // of its content, as in schema.Record
	FirstSeenAt time.Time // to the microsecond
}

// held returns the version as which the run has stored what the row says: the one that was first seen in the same
// answer, or the one that was known when the row was seen. It returns 0 if the run has not stored it.
func (c Current) held(record *schema.Record) uint64 {
	seenAt := record.FirstSeenAt.Truncate(time.Microsecond)
	var known Sight
	for _, sight := range c.Sights {
		if sight.FirstSeenAt.After(seenAt) {
			continue
		}
		if known = sight; known.PayloadHash == record.PayloadHash && known.FirstSeenAt.Equal(seenAt) {
			return known.Version
		}
	}
	if known.PayloadHash != record.PayloadHash {
		return 0
	}
	return known.Version
}

// NewVersions returns the rows whose content differs from what is stored, each with its number: the first sight
// of a record is version 1, every change of its content the next. Rows of one record count in their order, so
// A, B, A are three versions; the same rows once more are none, if current says what the run has stored of them.
// Every row gets the number of the version that it shows, the others too. Current holds the stored version of each
// id and is not changed.
func NewVersions(rows []schema.Row, current map[string]Current) []schema.Row {
	latest := map[string]Current{}
	var changed []schema.Row
	for _, row := range rows {
		record := row.Base()
		known, ok := latest[record.ID]
		if !ok {
			known = current[record.ID]
		}
		// An older version first: one that came back as it was must not be taken for the sight before it left.
		if record.Version = known.held(record); record.Version > 0 {
			continue
		}
		if known.Version > 0 && known.PayloadHash == record.PayloadHash {
			record.Version = known.Version
			continue
		}
		record.Version = known.Version + 1
		createdAt := record.CreatedAt.Truncate(time.Microsecond)
		record.Moved = known.Version > 0 && !known.CreatedAt.Equal(createdAt)
		latest[record.ID] = Current{Version: record.Version, PayloadHash: record.PayloadHash, CreatedAt: createdAt}
		changed = append(changed, row)
	}
	return changed
}

// rowsPerBlock bounds a block, so that the server takes it in one piece: only then is an insert atomic.
const rowsPerBlock = 100_000

// bytesPerBlock bounds the payloads of a block for the same reason.
const bytesPerBlock = 64 << 20

// Block is a part of a batch that is inserted at once: one table, one partition, rows in the order of the
// table's key.
type Block struct {
	Rows   []schema.Row // in the order of the table's key
	Digest string       // SHA-256 over the keys and contents of the rows, in hexadecimal
}

// Cut divides rows into blocks, by the partition that a row's time belongs to and by size. The result depends
// on the rows alone and not on their order.
func Cut(rows []schema.Row, partition func(schema.Row) time.Time) []Block {
	sorted := make([]cutRow, len(rows))
	for i, row := range rows {
		at := partition(row).UTC()
		sorted[i] = cutRow{row: row, record: row.Base(), month: at.Year()*12 + int(at.Month())}
	}
	slices.SortFunc(sorted, cutRow.compare)
	rows = make([]schema.Row, len(rows))
	for i := range sorted {
		rows[i] = sorted[i].row
	}
	var blocks []Block
	for begin := 0; begin < len(rows); {
		end, size := begin, 0
		for end < len(rows) && end-begin < rowsPerBlock && sorted[end].month == sorted[begin].month {
			if size += len(sorted[end].record.Payload); size > bytesPerBlock && end > begin {
				break
			}
			end++
		}
		blocks = append(blocks, Block{Rows: rows[begin:end], Digest: digest(rows[begin:end])})
		begin = end
	}
	return blocks
}

// cutRow is a row with what its place is decided by.
type cutRow struct {
	row    schema.Row
	record *schema.Record
	month  int
}

// compare puts rows in the order of blocks, and inside of them in that of the table's key.
func (r cutRow) compare(other cutRow) int {
	x, y := r.record, other.record
	if order := cmp.Or(cmp.Compare(r.month, other.month), cmp.Compare(x.ID, y.ID)); order != 0 {
		return order
	}
	return cmp.Or(cmp.Compare(x.Version, y.Version), bytes.Compare(x.PayloadHash[:], y.PayloadHash[:]),
		x.FirstSeenAt.Compare(y.FirstSeenAt), cmp.Compare(x.Status, y.Status))
}

// digest identifies the content of a block: what is stored is a function of it.
func digest(rows []schema.Row) string {
	sum := sha256.New()
	var number [8]byte
	for _, row := range rows {
		record := row.Base()
		fmt.Fprintf(sum, "%d:%s", len(record.ID), record.ID)
		binary.BigEndian.PutUint64(number[:], record.Version)
		sum.Write(number[:])
		sum.Write(record.PayloadHash[:])
		fmt.Fprintf(sum, "%s@%d/%d/%t\n", record.Status, record.CreatedAt.UnixMicro(), record.FirstSeenAt.UnixMicro(), record.Moved)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
