package extract

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"tieout/schema"
)

// What the body of one answer may cost.
const (
	bodyMax   = 32 << 20 // bytes, inflated
	ratioMax  = 200      // inflated bytes for each that was sent: lists of records stay below 30
	ratioFrom = 1 << 20  // inflated bytes below which the ratio does not matter

	paceBytes = 1 << 10          // bytes a second, as sent, below which a body is given up
	paceOver  = 20 * time.Second // which are looked at together: a pause alone is no fault
)

// What is made ready for a body: as much as its length says, within bounds that a wrong one does not break.
const (
	bodyBytesMin   = 4 << 10
	bodyBytesReady = 1 << 20
)

var errSlow = fmt.Errorf("the body of its answer comes slower than %d bytes a second", paceBytes)

// readBody reads the body of an answer to its end. Cancel ends the request, which wakes a read that waits.
func (c *Client) readBody(ctx context.Context, cancel context.CancelCauseFunc, response *http.Response, signature schema.Secret) ([]byte, *refusal) {
	sent := &countedBody{from: response.Body}
	defer sent.watch(cancel)()
	body, err := sent.inflated(response.Header.Get("Content-Encoding"), response.ContentLength)
	refused, known := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return body, nil
	case known:
		return nil, refused
	case sent.err == nil: // what was sent arrived, and cannot be inflated
		return nil, &refusal{class: schema.ClassTransient, exhausted: schema.ClassStream, cause: errors.New("the answer's compression is broken")}
	case errors.Is(context.Cause(ctx), errSlow):
		return nil, c.unreachable(errSlow, signature)
	}
	return nil, c.unreachable(err, signature)
}

// countedBody counts a body as it is sent.
type countedBody struct {
	from io.Reader
	sent atomic.Int64
	err  error // what reading ended with, but for the end
}

// Read implements io.Reader.
func (b *countedBody) Read(into []byte) (int, error) {
	n, err := b.from.Read(into)
	b.sent.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// watch cancels a request whose body does not keep pace, until the function that it returns is called.
func (b *countedBody) watch(cancel context.CancelCauseFunc) (stop func()) {
	ticks, done := time.NewTicker(paceOver), make(chan struct{})
	go func() {
		for seen := int64(0); ; {
			select {
			case <-done:
				return
			case <-ticks.C:
			}
			sent := b.sent.Load()
			if sent-seen < paceBytes*int64(paceOver/time.Second) {
				cancel(errSlow)
				return
			}
			seen = sent
		}
	}()
	return func() {
		ticks.Stop()
		close(done)
	}
}

// inflated reads the body, without what it was packed in. Stated is its length as sent, below zero if that is not known.
func (b *countedBody) inflated(encoding string, stated int64) ([]byte, error) {
	var from io.Reader = b
	packed := strings.EqualFold(encoding, "gzip") || strings.EqualFold(encoding, "x-gzip")
	if packed {
		unpacked, err := gzip.NewReader(b)
		if errors.Is(err, io.EOF) {
			return nil, nil // an answer without a body
		}
		if err != nil {
			return nil, err
		}
		from = unpacked
	}
	// A byte more than was stated, so that the end is found without another piece of memory.
	body := make([]byte, 0, min(max(bodyBytesMin, stated+1), bodyBytesReady))
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > bodyMax:
			return nil, &refusal{class: schema.ClassStream, cause: fmt.Errorf("the answer is larger than %d MiB", bodyMax>>20)}
		case packed && len(body) > ratioFrom && int64(len(body)) > ratioMax*b.sent.Load():
			return nil, &refusal{class: schema.ClassStream, cause: fmt.Errorf("the answer inflates to more than %d times what was sent", ratioMax)}
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}
