//go:build !linux || (!amd64 && !arm64)

package embedded

// preservingSignals runs the call. On Linux it also puts back signal handlers that the call took; elsewhere the
// embedded engine is for development, and libchdb is trusted to install none when it is told so.
func preservingSignals(call func()) { call() }
