package extract_test

import (
	"io"
	"net/http"
	"testing"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// BenchmarkFetch reads and maps a page of a hundred deposits, again and again: parsing, checks, hashes, columns.
func BenchmarkFetch(b *testing.B) {
	p := open(b, sandbox.Options{Records: 1000}, coinut(b))
	var body []byte
	kept := roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := p.Transport().RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if body, err = io.ReadAll(response.Body); err != nil {
			return nil, err
		}
		return answering(response.StatusCode, string(body))(r)
	})
	page, err := newClient(b, p.account, kept, p.log).Fetch(b.Context(), schema.Payments, "")
	if err != nil || len(page.Rows) != 100 {
		b.Fatalf("%d rows: %v", len(page.Rows), err)
	}
	client := newClient(b, p.account, answering(http.StatusOK, string(body)), p.log)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Fetch(b.Context(), schema.Payments, ""); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "records/s")
}
