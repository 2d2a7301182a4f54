package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"tieout/load/embedded"
)

// version is set by the linker.
var version = "dev"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  tieout version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "tieout %s, %s %s/%s, for libchdb %s\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, embedded.LibraryVersion)
			return err
		},
	}
}
