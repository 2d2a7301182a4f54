package sandbox

import (
	"maps"
	"net/http"
	"sync"
)

// Count is how many requests arrived, and how many of them a rate limit refused with 429.
type Count struct {
	Requests int
	Refused  int
}

// pathsMax bounds how many paths are counted apart; a client that invents more is counted under "other".
const pathsMax = 64

type counters struct {
	mu     sync.Mutex // guards byPath
	byPath map[string]Count
}

func (c *counters) add(path string, count Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byPath == nil {
		c.byPath = make(map[string]Count)
	}
	if _, known := c.byPath[path]; !known && len(c.byPath) >= pathsMax {
		path = "other"
	}
	sum := c.byPath[path]
	c.byPath[path] = Count{sum.Requests + count.Requests, sum.Refused + count.Refused}
}

func (c *counters) total() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	var total Count
	for _, count := range c.byPath {
		total = Count{total.Requests + count.Requests, total.Refused + count.Refused}
	}
	return total
}

// counted counts every request, those too that a fault answers.
func (s *Sandbox) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counters.add(r.URL.Path, Count{Requests: 1})
		next.ServeHTTP(w, r)
	})
}

// Requests returns how many requests have arrived, faults and refusals included.
func (s *Sandbox) Requests() int { return s.counters.total().Requests }

// Refused returns how many requests a rate limit has refused with 429. A 429 that a fault made up is not one.
func (s *Sandbox) Refused() int { return s.counters.total().Refused }

// Counts returns both by path.
func (s *Sandbox) Counts() map[string]Count {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	return maps.Clone(s.counters.byPath)
}
