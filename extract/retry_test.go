package extract_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestAttemptsAreSignedAfresh lets four attempts fail in four ways and the fifth succeed: no nonce is used twice,
// and each attempt carries its own time. The sandbox itself refuses a nonce that it has seen.
func TestAttemptsAreSignedAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := &requestLog{}
		p := open(t, sandbox.Options{Records: 30, BeforeRequest: asked.note}, coinut(t))
		p.Inject(1, nil, sandbox.LoseAnswer()) // the nonce is spent
		p.Inject(1, nil, sandbox.Answer(500, nil, ""))
		p.Inject(1, nil, sandbox.Abort())
		p.Inject(1, nil, sandbox.LoseAnswer())
		page, err := p.client.Fetch(t.Context(), schema.Payments, "")
		if err != nil || page.Requests != 5 || page.Items == 0 {
			t.Fatalf("%d items after %d requests: %v", page.Items, page.Requests, err)
		}
		nonces := map[string]bool{}
		for i, header := range asked.headers {
			nonces[header.Get("X-Nonce")] = true
			if got, want := header.Get("X-Timestamp"), fmt.Sprint(asked.times[i].Unix()); got != want {
				t.Errorf("attempt %d is dated %s, sent at %s", i+1, got, want)
			}
		}
		if len(nonces) != 5 {
			t.Errorf("%d nonces in 5 attempts", len(nonces))
		}
	})
}

// TestBackoff waits longer and longer between attempts: never more than 1, 2, 4 and 8 s, and not the same each
// time; the fault is logged with its reason.
func TestBackoff(t *testing.T) {
	total := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			asked := &requestLog{}
			p := open(t, sandbox.Options{Records: -1, BeforeRequest: asked.note}, coinut(t))
			p.Inject(5, nil, sandbox.Answer(500, nil, ""))
			if _, err := p.client.Fetch(t.Context(), schema.Payments, ""); err == nil {
				t.Fatal("no error")
			}
			for i, limit := 1, time.Second; i < len(asked.times); i, limit = i+1, 2*limit {
				if wait := asked.times[i].Sub(asked.times[i-1]); wait > limit+time.Millisecond {
					t.Errorf("%s before attempt %d, want at most %s", wait, i+1, limit)
				}
			}
			total[asked.times[4].Sub(asked.times[0])] = true
			if got := strings.Count(p.log.String(), "request failed, trying again"); got != 4 {
				t.Errorf("%d of 4 repeats are logged", got)
			}
		})
	}
	if len(total) < 15 {
		t.Errorf("20 runs took only %d different times: there is no jitter", len(total))
	}
}

// TestLimitRefusal waits after a 429 as long as the partner asks for and at least one window, and the other
// streams of the key wait, too.
func TestLimitRefusal(t *testing.T) {
	const window = time.Minute
	tests := map[string]struct {
		code        int
		after       func() string
		least, most time.Duration // of the pause, without the jitter of 1 s
	}{
		"seconds":                  {429, func() string { return "90" }, 90 * time.Second, 90 * time.Second},
		"fewer than a window":      {429, func() string { return "5" }, window, window},
		"a date":                   {429, func() string { return time.Now().Add(3 * time.Minute).UTC().Format(http.TimeFormat) }, 3*time.Minute - time.Second, 3 * time.Minute},
		"a date gone by":           {429, func() string { return time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat) }, window, window},
		"garbage":                  {429, func() string { return "soon" }, window, window},
		"nothing":                  {429, func() string { return "" }, window, window},
		"a day, believed one hour": {429, func() string { return "86400" }, time.Hour, time.Hour},
		"503 with seconds":         {503, func() string { return "120" }, 2 * time.Minute, 2 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, sandbox.Options{Records: 10}, coinut(t))
				client := p.reopened(t, func(a *extract.Account) { a.Windows = nil }) // 100/1m
				header := http.Header{}
				if after := test.after(); after != "" {
					header.Set("Retry-After", after)
				}
				p.Inject(1, nil, sandbox.Answer(test.code, header, ""))
				begun := time.Now()
				page, err := client.Fetch(t.Context(), schema.Payments, "")
				if err != nil || page.Requests != 2 {
					t.Fatalf("%d requests: %v", page.Requests, err)
				}
				if took := time.Since(begun); took < test.least || took > test.most+time.Second {
					t.Errorf("waited %s, want %s to %s and up to 1s of jitter", took, test.least, test.most)
				}
				if page.LimitWait != time.Since(begun) || !strings.Contains(p.log.String(), `"level":"ERROR"`) {
					t.Errorf("the limit's wait is given as %s of %s; log: %s", page.LimitWait, time.Since(begun), p.log)
				}
			})
		})
	}
}

// TestLimitRefusalPausesTheKey refuses one stream and watches the other one, which was not refused.
func TestLimitRefusalPausesTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		p.Inject(1, sandbox.OnPath("/payment/list"), sandbox.Answer(429, http.Header{"Retry-After": {"300"}}, ""))
		begun := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := p.client.Fetch(t.Context(), schema.Payments, ""); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // refused by now, and waiting
		if _, err := p.client.Fetch(t.Context(), schema.Balances, ""); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begun); waited < 300*time.Second {
			t.Errorf("balances were asked for after %s, want after the pause of the key", waited)
		}
		group.Wait()
	})
}

// TestLimitRefusalFiveTimes gives up: later may help, so the class is unavailable.
func TestLimitRefusalFiveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		p.Inject(5, nil, sandbox.Answer(429, nil, ""))
		if _, err := p.client.Fetch(t.Context(), schema.Payments, ""); schema.ClassOf(err) != schema.ClassUnavailable || p.Requests() != 5 {
			t.Errorf("%v after %d requests, want unavailable after 5", err, p.Requests())
		}
	})
}

// TestUnreachable tells a partner that cannot be reached from one that refuses, without the address's query.
func TestUnreachable(t *testing.T) {
	tests := map[string]struct {
		fault roundTrip
		want  string
	}{
		"connection refused": {func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: connection refused") }, "connection refused"},
		"answer lost":        {func(*http.Request) (*http.Response, error) { return nil, sandbox.ErrAborted }, "unexpected EOF"},
		"answer cut": {func(r *http.Request) (*http.Response, error) {
			response, err := answering(200, "")(r)
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"status":"SUCC`), brokenReader{}))
			return response, err
		}, "reset by peer"},
		"answer stalls": {func(r *http.Request) (*http.Response, error) {
			response, err := answering(200, "")(r)
			response.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"status":"SUCC`), stalledReader{r.Context()}))
			return response, err
		}, "comes slower than 1024 bytes a second"},
		"no answer": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, "no complete answer within 1m0s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { unreachableBy(t, test.fault, test.want) })
	}
}

// unreachable holds the client to what it must make of a transport's error.
func unreachable(t *testing.T, cause error, want string) {
	t.Helper()
	unreachableBy(t, func(*http.Request) (*http.Response, error) { return nil, cause }, want)
}

func unreachableBy(t *testing.T, fault roundTrip, want string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, begun := &logText{}, time.Now()
		client := newClient(t, plainAccount(coinut(t)), fault, log)
		_, err := client.Fetch(t.Context(), schema.Payments, "")
		if schema.ClassOf(err) != schema.ClassUnavailable {
			t.Fatalf("%v, want unavailable", err)
		}
		for _, part := range []string{"ramp.example is not reachable: ", want, "5 times in a row"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if strings.Contains(err.Error()+log.String(), "pageNum") {
			t.Errorf("%q or the log tells the query", err)
		}
		// Five timeouts of a minute, pauses of 15 s at most, and what has no answer may still arrive for 5 s.
		if took := time.Since(begun); took > 5*time.Minute+15*time.Second+4*5*time.Second {
			t.Errorf("gave up only after %s", took)
		}
	})
}

// brokenReader is a connection that breaks while the body is read.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("read: connection reset by peer") }

// stalledReader is a connection that stays open and silent.
type stalledReader struct{ ctx context.Context }

func (s stalledReader) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestCancelledInTheLastAttempt is told to stop when no further attempt would be made: that is no outage.
func TestCancelledInTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		p.Inject(4, nil, sandbox.Answer(500, nil, ""))
		p.Inject(1, nil, sandbox.Delay(func(ctx context.Context) { <-ctx.Done() }))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // all pauses together take 15 s at most
		defer cancel()
		if _, err := p.client.Fetch(ctx, schema.Balances, ""); schema.ClassOf(err) != schema.ClassCancelled || p.Requests() != 5 {
			t.Errorf("%v after %d requests, want cancelled after 5", err, p.Requests())
		}
	})
}

// TestStampMilliseconds dates each attempt in the unit that the definition names.
func TestStampMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(1234 * time.Millisecond)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if got, want := r.Header.Get("nonce"), fmt.Sprint(time.Now().UnixMilli()); got != want {
				t.Errorf("dated %s, want %s", got, want)
			}
			return answering(200, `{"data":[]}`)(r)
		})
		client := newClient(t, plainAccount(signingOnly(t, "api_key, api_secret", kunapaySigning)), transport, &logText{})
		if _, err := client.Fetch(t.Context(), schema.Balances, ""); err != nil {
			t.Error(err)
		}
	})
}

// TestCancelled ends every kind of wait at once when we are told to stop, and says that we were.
func TestCancelled(t *testing.T) {
	hour := []extract.Window{{Requests: 4, Per: time.Hour}}
	tests := map[string]struct {
		fault   sandbox.Fault
		windows []extract.Window
	}{
		"waiting for the partner":   {sandbox.Delay(func(ctx context.Context) { <-ctx.Done() }), fast},
		"between two attempts":      {sandbox.Answer(500, nil, ""), fast},
		"in a pause of the key":     {sandbox.Answer(429, nil, ""), fast},
		"waiting for the own limit": {nil, hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, sandbox.Options{Records: 10}, coinut(t))
				client := p.reopened(t, func(a *extract.Account) { a.Windows = test.windows })
				if test.fault != nil {
					p.Inject(100, nil, test.fault)
				} else if _, err := client.Fetch(t.Context(), schema.Balances, ""); err != nil {
					t.Fatal(err)
				}
				cause := errors.New("SIGTERM")
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					pass(time.Millisecond)
					cancel(cause)
				}()
				begun := time.Now()
				_, err := client.Fetch(ctx, schema.Balances, "")
				if schema.ClassOf(err) != schema.ClassCancelled || !errors.Is(err, cause) || time.Since(begun) > time.Millisecond {
					t.Errorf("%v after %s, want cancelled with its cause after 1ms", err, time.Since(begun))
				}
			})
		})
	}
}
