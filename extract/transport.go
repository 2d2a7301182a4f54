package extract

import (
	"crypto/tls"
	"net/http"
	"time"
)

// NewTransport returns the connection to partners. It speaks HTTP/1.1 only, because HTTP/2 repeats requests by
// rules of its own and a repeated nonce is a refused one; it uses no proxy that happens to stand in the
// environment, because a proxy would see every header; and it inflates nothing, because what is inflated must be
// bounded by what was sent.
//
// A host is dialled only where everybody can reach it, so that nobody who rules the partner's DNS can send us, with our
// credentials, to a machine of our own network. The address or localhost itself in a base URL is an exception that its
// author has made; privateHosts are those whose names may resolve to addresses of a private network, as behind a VPN.
func NewTransport(privateHosts ...string) *http.Transport {
	return &http.Transport{
		DialContext:            newDialGuard(privateHosts).dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  requestTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    burstMost,
		DisableCompression:     true,
	}
}
