package sandbox_test

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract/sandbox"
)

// virtual opens a sandbox whose clock, like the caller's, is that of the bubble.
func virtual(t *testing.T, options sandbox.Options) (*sandbox.Sandbox, caller) {
	t.Helper()
	options.Now = time.Now
	s := open(t, options)
	c := callerOf(s)
	c.now = time.Now
	return s, c
}

// pass waits in virtual time.
func pass(d time.Duration) { <-time.After(d) }

// TestSlidingLog fills the documented hundred a minute in two parts: room comes back request by request, as
// each of them leaves the window, and who waits as long as told is let in.
func TestSlidingLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := virtual(t, sandbox.Options{Records: 10})
		want := func(code int, retryAfter string) {
			t.Helper()
			a := c.get(t, "/balance")
			if a.code != code || a.header.Get("Retry-After") != retryAfter {
				t.Fatalf("HTTP %d, Retry-After %q, want %d, %q", a.code, a.header.Get("Retry-After"), code, retryAfter)
			}
		}
		for range 60 {
			want(200, "")
		}
		pass(30*time.Second + 500*time.Millisecond)
		for range 40 {
			want(200, "")
		}
		want(429, "30") // 29.5 s, rounded up
		pass(29 * time.Second)
		want(429, "1")
		pass(499 * time.Millisecond)
		want(429, "1")
		pass(time.Millisecond)
		for range 60 {
			want(200, "")
		}
		want(429, "31")
		if s.Requests() != 164 || s.Refused() != 4 || s.Counts()["/balance"] != (sandbox.Count{Requests: 164, Refused: 4}) {
			t.Errorf("counted %d requests, %d refused, by path %v", s.Requests(), s.Refused(), s.Counts())
		}
	})
}

// TestSeveralLimits: all hold at once, the longest wait is told, and every key has its own.
func TestSeveralLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := virtual(t, sandbox.Options{
			Records:    10,
			RateLimits: []sandbox.Limit{{Requests: 2, Per: time.Second}, {Requests: 3, Per: time.Hour}},
			Accounts:   []sandbox.Account{{Key: "a", Secret: "s"}, {Key: "b", Secret: "t"}},
		})
		b := a
		b.key, b.secret = "b", "t"
		steps := []struct {
			caller     caller
			wait       time.Duration
			code       int
			retryAfter string
		}{
			{a, 0, 200, ""},
			{a, 0, 200, ""},
			{a, 0, 429, "1"},
			{b, 0, 200, ""},
			{a, time.Second, 200, ""},
			{a, 0, 429, "3599"},
			{b, 0, 200, ""},
			{a, 3599 * time.Second, 200, ""},
		}
		for i, step := range steps {
			pass(step.wait)
			got := step.caller.get(t, "/balance")
			if got.code != step.code || got.header.Get("Retry-After") != step.retryAfter {
				t.Errorf("step %d: HTTP %d, Retry-After %q", i, got.code, got.header.Get("Retry-After"))
			}
		}
	})
}

// TestRefusedRequestsDoNotCount: who hammers is refused all the while, and let in when the window has passed.
// Nor do requests count that nobody signed.
func TestRefusedRequestsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := virtual(t, sandbox.Options{Records: 10, RateLimits: []sandbox.Limit{{Requests: 5, Per: time.Minute}}})
		for range 20 {
			r := c.request(t, "/balance")
			r.Header.Set("X-Signature", "forged")
			if a := c.do(t, r); a.code != http.StatusUnauthorized {
				t.Fatalf("forged: HTTP %d", a.code)
			}
		}
		var accepted int
		for i := range 60 {
			a := c.get(t, "/balance")
			if a.code == http.StatusOK {
				accepted++
			} else if want := strconv.Itoa(60 - i); a.header.Get("Retry-After") != want {
				t.Errorf("after %d s: Retry-After %q, want %s", i, a.header.Get("Retry-After"), want)
			}
			pass(time.Second)
		}
		if a := c.get(t, "/balance"); accepted != 5 || a.code != http.StatusOK || s.Refused() != 55 {
			t.Errorf("%d of 60 let in, then HTTP %d; %d refused", accepted, a.code, s.Refused())
		}
	})
}
