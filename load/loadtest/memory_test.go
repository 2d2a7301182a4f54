package loadtest_test

import (
	"testing"

	"tieout/load/loadtest"
)

func TestMemory(t *testing.T) {
	loadtest.Suite(t, func(*testing.T) (loadtest.Store, loadtest.History) {
		memory := &loadtest.Memory{}
		return memory, loadtest.HistoryOf(memory)
	})
}
