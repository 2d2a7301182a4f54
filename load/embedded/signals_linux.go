//go:build amd64 || arm64

package embedded

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// signalCount is the number of signals of the kernel; they count from 1.
const signalCount = 64

// signalAction is the kernel's struct sigaction on 64-bit systems: handler, flags, restorer, mask. Its handler is
// first, and zero for the default action.
type signalAction [4]uint64

// preservingSignals runs a call into libchdb and then puts back the program's signal handlers. Without them a nil
// dereference kills the program instead of becoming a panic, and an interrupt ends it without a clean checkpoint.
//
// libchdb 26.7.3 leaves the handlers alone once it is told to install none. Left to itself it takes SIGSEGV and
// its like, and other versions reset those to the default action just when they are told; so they are put back
// whatever it says. Signals that had the default action stay as the engine wants them: it takes SIGRTMIN for its
// own threads.
func preservingSignals(call func()) {
	var before [signalCount + 1]signalAction
	for signal := 1; signal <= signalCount; signal++ {
		exchangeAction(signal, nil, &before[signal])
	}
	call()
	for signal := 1; signal <= signalCount; signal++ {
		var now signalAction
		exchangeAction(signal, nil, &now)
		if before[signal][0] != 0 && now != before[signal] {
			exchangeAction(signal, &before[signal], nil)
		}
	}
}

// exchangeAction is rt_sigaction(2). It asks the kernel because without cgo there is no wrapper of the C library to
// ask. Its only errors are about SIGKILL and SIGSTOP, which nobody can change.
func exchangeAction(signal int, set, previous *signalAction) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(previous)), unsafe.Sizeof(uint64(0)), 0, 0)
}
