package sandbox_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// BenchmarkNew makes a world of about a million records in all.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		s := open(b, sandbox.Options{Records: 350_000})
		truth := s.Truth()
		records := truth.Count(schema.Deposits) + truth.Count(schema.Trades) + truth.Count(schema.Payments)
		b.ReportMetric(float64(records), "records/op")
	}
}

// BenchmarkPage serves pages of a hundred deposits, signature and all, without sockets.
func BenchmarkPage(b *testing.B) {
	s := open(b, sandbox.Options{Records: 50_000, RateLimits: []sandbox.Limit{}})
	caller := callerOf(s)
	client := http.Client{Transport: s.Transport()}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		read(b, &client, caller.request(b, "/deposit/list?pageSize=100&pageNum="+strconv.Itoa(1+i%500)))
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkPageOverSocket is the same through a real server on the loopback.
func BenchmarkPageOverSocket(b *testing.B) {
	s := open(b, sandbox.Options{Records: 50_000, RateLimits: []sandbox.Limit{}})
	server := httptest.NewServer(s)
	defer server.Close()
	caller := callerOf(s)
	caller.base = server.URL
	for i := 0; b.Loop(); i++ {
		read(b, server.Client(), caller.request(b, "/deposit/list?pageSize=100&pageNum="+strconv.Itoa(1+i%500)))
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "records/s")
}

func read(b *testing.B, client *http.Client, request *http.Request) {
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusOK || n < 1000 {
		b.Fatalf("status %d, %d bytes, error %v", response.StatusCode, n, err)
	}
	if err := response.Body.Close(); err != nil {
		b.Fatal(err)
	}
}
