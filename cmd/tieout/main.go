// Command tieout shows that the balances at crypto and fiat partners agree with what moved.
//
// This folder is the only place that names an implementation: it reads the configuration, opens what is asked for
// and hands it to the rooms that do the work. Every command is a file cmd_<name>.go.
package main

import "os"

func main() {
	ctx, stop := interruptible()
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
