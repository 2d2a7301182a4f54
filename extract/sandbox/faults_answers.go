package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"net/http"
	"strconv"
)

// The faults below spoil an answer, not a request: most of them let the partner work first, with nonce and limit
// spent, and change what it wrote.

// changed is a fault that changes the partner's answer before it is sent.
func changed(change func(body []byte) []byte) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := recorded(next, r)
			body := change(answer.body.Bytes())
			answer.sent.Set("Content-Length", strconv.Itoa(len(body)))
			maps.Copy(w.Header(), answer.sent)
			w.WriteHeader(answer.code)
			_, _ = w.Write(body)
		})
	}
}

// recorded lets the partner answer and keeps the answer.
func recorded(next http.Handler, r *http.Request) *recorder {
	answer := newRecorder()
	next.ServeHTTP(answer, r)
	answer.WriteHeader(http.StatusOK)
	return answer
}

// Truncate ends an answer after n bytes of its body, as if it were whole: only who reads the JSON notices.
func Truncate(n int) Fault {
	return changed(func(body []byte) []byte { return body[:min(n, len(body))] })
}

// Append adds a text to the body of an answer, such as a second JSON document.
func Append(text string) Fault {
	return changed(func(body []byte) []byte { return append(body, text...) })
}

// Cut breaks the connection after n bytes of the body: the client gets the headers and a beginning, and then
// ErrAborted, or over a real socket an unexpected EOF. An answer of no more than n bytes breaks off behind them.
func Cut(n int) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := recorded(next, r)
			maps.Copy(w.Header(), answer.sent)
			length := answer.body.Len()
			w.Header().Set("Content-Length", strconv.Itoa(max(length, min(n, length)+1)))
			w.WriteHeader(answer.code)
			_, _ = w.Write(answer.body.Bytes()[:min(n, length)])
			_ = http.NewResponseController(w).Flush() // a recorder has nothing to flush
			panic(http.ErrAbortHandler)
		})
	}
}

// SlowBody sends the headers of an answer at once and its body in pieces, and calls wait before each of these, which gets the request's context and
// should return when that is done. A Transport hands out only whole answers, so its client waits for the
// headers instead.
func SlowBody(pieceBytes int, wait func(context.Context)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := recorded(next, r)
			maps.Copy(w.Header(), answer.sent)
			w.WriteHeader(answer.code)
			connection := http.NewResponseController(w)
			for answer.body.Len() > 0 && r.Context().Err() == nil {
				_ = connection.Flush() // a recorder has nothing to flush
				wait(r.Context())
				_, _ = w.Write(answer.body.Next(max(1, pieceBytes)))
			}
		})
	}
}

// gzipBlockBytes is what one member of a gzip bomb inflates to.
const gzipBlockBytes = 1 << 20

// GzipBomb replies in the partner's place with a body that is small and inflates to about so many bytes of JSON
// that never becomes whole: an array of spaces. Content-Encoding says gzip, whether the client asked for it or
// not.
func GzipBomb(inflatedBytes int) Fault {
	block := gzipped(bytes.Repeat([]byte(" "), gzipBlockBytes))
	body := gzipped([]byte("["))
	for range max(1, inflatedBytes/gzipBlockBytes) {
		body = append(body, block...) // members of one stream follow each other
	}
	header := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	return Answer(http.StatusOK, header, string(body))
}

func gzipped(text []byte) []byte {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(text); err != nil {
		panic(err) // into memory
	}
	if err := writer.Close(); err != nil {
		panic(err)
	}
	return packed.Bytes()
}

// BadGateway replies in the partner's place with HTTP 502 and a page of HTML, as what stands before a partner
// does.
func BadGateway() Fault {
	const page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
	return Answer(http.StatusBadGateway, http.Header{"Content-Type": {"text/html"}}, page)
}

// Redirect sends the client to another address, with HTTP 307, which asks it to repeat the request there as it
// is.
func Redirect(location string) Fault {
	return Answer(http.StatusTemporaryRedirect, http.Header{"Location": {location}}, "")
}
