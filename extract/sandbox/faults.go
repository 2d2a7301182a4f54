package sandbox

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Fault stands between a request and its answer: it wraps the partner's handler, and may answer for it, hold it
// up or cut the connection. Any function of this form will do beside those below.
type Fault func(next http.Handler) http.Handler

// Answer replies in the partner's place, who never sees the request. A header may be nil.
func Answer(code int, header http.Header, body string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), header)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		})
	}
}

// Delay calls wait before the partner sees the request. Wait gets the request's context and should return when
// that is done, as the client has gone by then.
func Delay(wait func(context.Context)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wait(r.Context())
			next.ServeHTTP(w, r)
		})
	}
}

// Abort cuts the connection before the partner sees the request.
func Abort() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}
}

// LoseAnswer lets the partner work, with nonce and limit spent, and cuts the connection instead of answering.
func LoseAnswer() Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(newRecorder(), r)
			panic(http.ErrAbortHandler)
		})
	}
}

// faults are those still to happen, in the order in which they were injected.
type faults struct {
	mu      sync.Mutex // guards pending
	pending []*injection
}

type injection struct {
	left  int
	match func(*http.Request) bool
	fault Fault
}

// Inject lets the fault happen to the next times requests that match (nil: any). A request meets at most one
// fault, the one that was injected first. Match must not call the sandbox.
func (s *Sandbox) Inject(times int, match func(*http.Request) bool, fault Fault) {
	if match == nil {
		match = func(*http.Request) bool { return true }
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.pending = append(s.faults.pending, &injection{times, match, fault})
}

// OnPath matches requests for exactly this path.
func OnPath(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == path }
}

// faulty sends a request through its fault, if it has one.
func (s *Sandbox) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := s.faults.take(r); fault != nil {
			fault(next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (f *faults) take(r *http.Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = slices.DeleteFunc(f.pending, func(i *injection) bool { return i.left <= 0 })
	for _, i := range f.pending {
		if i.match(r) {
			i.left--
			return i.fault
		}
	}
	return nil
}
