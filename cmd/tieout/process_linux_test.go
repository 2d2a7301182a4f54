package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestProcessEnded: a process is known to have ended once it has, also before its parent asks, and not by what a
// later process with its number does. Of processes elsewhere nothing is known.
func TestProcessEnded(t *testing.T) {
	own := processName(os.Getpid())
	if own == "" || processEnded(own) {
		t.Fatalf("this process is %q, ended: %v", own, processEnded(own))
	}
	command := exec.CommandContext(t.Context(), "cat")
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	child := processName(command.Process.Pid)
	if child == "" || processEnded(child) {
		t.Fatalf("the child is %q, ended: %v", child, processEnded(child))
	}
	if hidden := t.TempDir(); processEndedIn(hidden, child) {
		t.Error("a process that is hidden is taken for dead")
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for state := ""; state != "Z"; {
		var err error
		if state, _, err = processState(procFolder, command.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if !processEnded(child) {
		t.Error("a zombie is taken for alive")
	}
	_ = command.Wait() // it was killed
	if !processEnded(child) || !processEndedIn(t.TempDir(), child) {
		t.Error("a killed process is taken for alive")
	}
	fields := strings.Fields(own)
	for name, want := range map[string]bool{
		strings.Join([]string{fields[0], fields[1], fields[2], fields[3] + "1"}, " "):                    true,  // our number, earlier
		strings.Join([]string{fields[0], "pid:[1]", fields[2], fields[3] + "1"}, " "):                    false, // another container
		strings.Join([]string{"d5c9cf5b-0000-0000-0000-000000000000", fields[1], "999999999", "1"}, " "): false, // another machine
		"": false, "nonsense": false, "a b c d": false,
	} {
		if processEnded(name) != want {
			t.Errorf("%q has ended: %v", name, !want)
		}
	}
}
