package embedded_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tieout/load/embedded"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// TestRefusedEngineTouchesNothing: between the look at the lock and the engine's own try another process may open
// the folder, and be in the middle of an insert. Here the engine cannot start because its status file is a folder,
// which the look takes for a free one.
func TestRefusedEngineTouchesNothing(t *testing.T) {
	folder := t.TempDir()
	rows := filepath.Join(folder, "inserts", "rows-of-another-process")
	must(t, os.MkdirAll(filepath.Join(folder, "status"), 0o700))
	must(t, os.MkdirAll(filepath.Dir(rows), 0o700))
	must(t, os.WriteFile(rows, []byte("rows"), 0o600))
	_, err := embedded.Open(embeddedtest.Library(t), folder)
	if schema.ClassOf(err) != schema.ClassUnavailable || !strings.Contains(err.Error(), "another process may have just opened it") {
		t.Fatalf("class %s of %v", schema.ClassOf(err), err)
	}
	if _, err := os.Stat(rows); err != nil {
		t.Errorf("the rows of the other process: %v", err)
	}
	must(t, os.Remove(filepath.Join(folder, "status")))
	openEngine(t, folder)
	if _, err := os.Stat(rows); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is still there: %v", err)
	}
}

// TestFolderThatCannotBeWritten is a matter of configuration, and says so. Not even root writes into /proc.
func TestFolderThatCannotBeWritten(t *testing.T) {
	const folder = "/proc/self/fdinfo"
	if _, err := os.Stat(folder); err != nil {
		t.Skip(err)
	}
	_, err := embedded.Open(embeddedtest.Library(t), folder)
	if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("class %s of %v", schema.ClassOf(err), err)
	}
}

// TestCheckFree names who has the folder.
func TestCheckFree(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if err := embedded.CheckFree(folder); err != nil {
		t.Errorf("a folder that does not exist: %v", err)
	}
	holder := start(t, "hold", folder)
	if line := holder.line(); line != "written" {
		t.Fatal(line)
	}
	if err := embedded.CheckFree(folder); schema.ClassOf(err) != schema.ClassUnavailable || !strings.Contains(err.Error(), "is in use by process") {
		t.Errorf("a folder in use: %v", err)
	}
	must(t, holder.Process.Kill())
	_ = holder.Wait() // says that it was killed
	if err := embedded.CheckFree(folder); err != nil {
		t.Errorf("after the kill: %v", err)
	}
}
