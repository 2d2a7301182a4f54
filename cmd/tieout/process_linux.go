package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processName tells a process from every other one: by the machine's boot, the room in which its number counts (a
// container has its own), the number, and when it began. It is empty where the machine does not say.
func processName(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	room, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	_, began, err := processState(procFolder, pid)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %s %d %s", strings.TrimSpace(string(boot)), room, pid, began)
}

// processEnded reports whether it is known that a process has ended. Of one on another machine or in another
// container nothing is known.
func processEnded(name string) bool { return processEndedIn(procFolder, name) }

// procFolder is where the machine tells of its processes.
const procFolder = "/proc"

func processEndedIn(proc, name string) bool {
	var boot, room, began string
	var pid int
	if _, err := fmt.Sscan(name, &boot, &room, &pid, &began); err != nil {
		return false
	}
	own := strings.Fields(processName(os.Getpid()))
	if len(own) != 4 || own[0] != boot || own[1] != room {
		return false
	}
	state, since, err := processState(proc, pid)
	if errors.Is(err, fs.ErrNotExist) {
		// It is gone, or belongs to somebody else and is hidden (hidepid): then it can still be asked for.
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	if err != nil {
		return false
	}
	// A zombie runs no more: it waits for somebody to ask how it ended.
	return since != began || state == "Z" || state == "X"
}

// processState returns the state of a process and when it began, in ticks since the boot.
func processState(proc string, pid int) (state, began string, err error) {
	text, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", "", err
	}
	// The second field is the name in brackets, which may hold anything. State is the third field, the begin the 22nd.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("%s/%d/stat has %d fields", proc, pid, len(fields))
	}
	return fields[0], fields[19], nil
}
