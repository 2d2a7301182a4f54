package extract

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport returns the connection to partners. It speaks HTTP/1.1 only, because HTTP/2 repeats requests by
// rules of its own and a repeated nonce is a refused one; it uses no proxy that happens to stand in the
// environment, because a proxy would see every header.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  requestTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    burstMost,
	}
}
