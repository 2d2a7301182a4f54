package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// insertsFolder is where the rows of an insert lie while it runs, inside the engine's own folder: on the same disk
// and as private as the tables.
const insertsFolder = "inserts"

// emptyInserts makes the folder, without what a killed process has left in it. The caller has the engine open, so
// that no other process has.
func emptyInserts(path string) error {
	folder := filepath.Join(path, insertsFolder)
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700)); err != nil {
		return fmt.Errorf("make a folder for the rows of inserts: %w", err)
	}
	return nil
}

// checkWritable makes a file in the folder and removes it: neither mode bits nor the mount tell for sure.
func checkWritable(path string) error {
	file, err := os.CreateTemp(path, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// holderOf reports whether another process has the folder open, and which. It tries the lock that ClickHouse
// itself keeps on the file "status" as long as it lives. Asking first gives a sentence with the process in it:
// libchdb answers a lock that is taken with a null pointer, and with a line on standard error that nobody can keep
// it from. Between the question and the opening another process may come, so Open asks once more after a failure.
func holderOf(path string) (holder string, held bool) {
	status, err := os.Open(filepath.Join(path, "status"))
	if err != nil {
		return "", false // never opened before; and what cannot be read is reported by the engine
	}
	defer func() { _ = status.Close() }() // it was only read
	if err := syscall.Flock(int(status.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", false // closing the file gives the lock back
	}
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if id, found := strings.CutPrefix(lines.Text(), "PID:"); found {
			return "process " + strings.TrimSpace(id), true
		}
	}
	return "another process", true
}
