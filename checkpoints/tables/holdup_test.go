package tables_test

import (
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// holdUp stops a process and lets it go on, again and again until it ends: each time for as long as a lease, or so.
func holdUp(t *testing.T, command *exec.Cmd) {
	t.Helper()
	for {
		for _, step := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			select {
			case <-time.After(rand.N(2 * rivalTerm)):
			case <-t.Context().Done():
			}
			if command.Process.Signal(step) != nil {
				return // it has ended
			}
		}
	}
}
