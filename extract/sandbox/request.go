package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// bodyBytesMax bounds how much of a request is read: nothing that the sandbox serves needs a long body.
const bodyBytesMax = 1 << 20

// bodyOf reads the body of a request to its end.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytesMax+1))
	if err != nil || len(body) > bodyBytesMax {
		return nil, errors.New("the body cannot be read or is too long")
	}
	return body, nil
}

// targetOf is what was asked for, byte for byte: neither decoded nor without a prefix that was cut off.
func targetOf(r *http.Request) (path, query string) {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = r.URL.RequestURI()
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// isJSON reports whether the request says that its body is JSON.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// judgeSeconds returns what is wrong with a timestamp in Unix seconds, or nothing. It may be off by age, either
// way.
func judgeSeconds(text string, now time.Time, age time.Duration) string {
	seconds, err := strconv.ParseUint(text, 10, 40)
	if err != nil {
		return "the timestamp is not in Unix seconds"
	}
	switch off := now.Sub(time.Unix(int64(seconds), 0)); {
	case off > age:
		return "the timestamp is too old"
	case off < -age:
		return "the timestamp lies in the future"
	}
	return ""
}

// admit takes a request out of the budget of who has proven to have sent it, or says how long to wait.
func (s *Sandbox) admit(m *member, r *http.Request) (wait time.Duration, ok bool) {
	wait, ok = m.limiter.admit(s.now())
	if !ok {
		s.counters.add(r.URL.Path, Count{Refused: 1})
	}
	return wait, ok
}

// send answers with JSON that is ready in parts.
func send(w http.ResponseWriter, code int, parts ...[]byte) {
	sendAs(w, code, "application/json", parts...)
}

// sendAs answers with anything that is ready in parts; a kind that is empty is not told. A client that has gone
// is its own loss.
func sendAs(w http.ResponseWriter, code int, kind string, parts ...[]byte) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(code)
	for _, part := range parts {
		_, _ = w.Write(part)
	}
}

// sendText answers as partners do who have no envelope for what went wrong.
func sendText(w http.ResponseWriter, code int, text string) {
	sendAs(w, code, "text/plain; charset=utf-8", []byte(text))
}

// joined makes a JSON array of items that are JSON already: nothing is encoded twice.
func joined(items [][]byte) []byte {
	bytes := len("[]")
	for _, item := range items {
		bytes += len(item) + 1
	}
	array := append(make([]byte, 0, bytes), '[')
	for i, item := range items {
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, item...)
	}
	return append(array, ']')
}

// madeUp is a number from 0 to 15 that belongs to a record for ever: the first digit of its identifier. Dialects
// use it for what the world does not say.
func madeUp(id string) int {
	digit, err := strconv.ParseUint(id[:1], 16, 8)
	if err != nil {
		panic(err) // identifiers are UUIDs of our own making
	}
	return int(digit)
}

// mustJSON encodes structs of strings and numbers, which cannot fail.
func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// filled is the text, or null if there is none.
func filled(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
