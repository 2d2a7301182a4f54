package embedded_test

import (
	"errors"
	"strings"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/embedded"
	"tieout/load/embedded/embeddedtest"
)

// TestMemoryLimit: a statement that needs more memory than it may have fails with an error that says so, and the next
// one runs, with the same limit. What can go to the disk is no failure.
func TestMemoryLimit(t *testing.T) {
	const limit = 64 << 20
	engine, err := embedded.OpenWithin(embeddedtest.Library(t), t.TempDir(), limit)
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	conn := connectTo(t, engine)
	var found []struct {
		Rows uint64 `ch:"rows"`
	}
	for range 2 {
		err := conn.Select(t.Context(), &found, "SELECT toUInt64(length(groupArray(repeat('x', 1000)))) AS rows FROM numbers(1000000)")
		if exception, ok := errors.AsType[*driver.Exception](err); !ok || exception.Code != 241 || !strings.Contains(err.Error(), "memory limit exceeded") {
			t.Fatalf("a gigabyte within %d MiB: %v", limit>>20, err)
		}
		// A statement's own setting is taken back to the limit, not to none.
		withSettings := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"max_memory_usage": 4 << 30}))
		must(t, conn.Select(withSettings, &found, "SELECT toUInt64(length(groupArray(repeat('x', 1000)))) AS rows FROM numbers(100000)"))
		must(t, conn.Select(t.Context(), &found, "SELECT count() AS rows FROM (SELECT number, repeat('x', 200) AS text FROM numbers(400000) ORDER BY cityHash64(number) LIMIT 399999)"))
		if found[0].Rows != 399999 {
			t.Errorf("%d rows were sorted", found[0].Rows)
		}
	}
}
