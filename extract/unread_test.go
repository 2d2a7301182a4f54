package extract_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/schema"
)

// unreadable is a body that cannot be read to its end.
type unreadable struct {
	says     string // in the error
	encoding string
	body     func(context.Context) io.Reader
}

func unreadables(t testing.TB) map[string]unreadable {
	bomb := gzipped(t, strings.Repeat(" ", 33<<20))
	return map[string]unreadable{
		"no gzip": {"the answer's compression is broken", "gzip", func(context.Context) io.Reader { return strings.NewReader("slow down") }},
		"a reset": {"reset by peer", "", func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(`{"status":"SUCC`), brokenReader{})
		}},
		"a stall": {"comes slower than 1024 bytes a second", "", func(ctx context.Context) io.Reader { return stalledReader{ctx} }},
		"a bomb":  {"the answer inflates to more than", "gzip", func(context.Context) io.Reader { return strings.NewReader(bomb) }},
	}
}

func (u unreadable) answer(r *http.Request, code int, header http.Header) (*http.Response, error) {
	response, err := answering(code, "")(r)
	response.Header = header.Clone()
	if u.encoding != "" {
		response.Header.Set("Content-Encoding", u.encoding)
	}
	response.ContentLength = -1
	response.Body = io.NopCloser(u.body(r.Context()))
	return response, err
}

// TestUnreadRefusals acts by the code and the headers of an answer whose body cannot be read: a refusal for the rate
// pauses the key as always, what is about the key is not asked again, and both say what became of the body.
func TestUnreadRefusals(t *testing.T) {
	after := http.Header{"Retry-After": {"30"}}
	tests := []struct {
		code     int
		header   http.Header
		pause    time.Duration // the least before the second request; zero: there is none
		refused  int
		class    schema.Class // of five such answers
		requests int
	}{
		{429, after, 30 * time.Second, 1, schema.ClassUnavailable, 5},
		{429, http.Header{}, time.Second, 1, schema.ClassUnavailable, 5},
		{503, after, 30 * time.Second, 1, schema.ClassUnavailable, 5},
		{503, http.Header{}, 0, 0, schema.ClassUnavailable, 5},
		{500, http.Header{}, 0, 0, schema.ClassStream, 5},
		{401, http.Header{}, 0, 0, schema.ClassCredentials, 1},
		{403, http.Header{}, 0, 0, schema.ClassCredentials, 1},
	}
	for name, broken := range unreadables(t) {
		for _, test := range tests {
			t.Run(fmt.Sprint(test.code, test.header.Get("Retry-After"), " with ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var asked []time.Time
					always := roundTrip(func(r *http.Request) (*http.Response, error) {
						asked = append(asked, time.Now())
						return broken.answer(r, test.code, test.header)
					})
					log := &logText{}
					page, err := newClient(t, plainAccount(coinut(t)), always, log).Fetch(t.Context(), schema.Payments, "")
					want := fmt.Sprintf("the partner answered %d, and its body could not be read: ", test.code)
					if schema.ClassOf(err) != test.class || len(asked) != test.requests || page.Refused != test.refused*test.requests || !strings.Contains(fmt.Sprint(err), want) || !strings.Contains(err.Error(), broken.says) {
						t.Errorf("%v after %d requests, %d refused; want class %v after %d, %d refused", err, len(asked), page.Refused, test.class, test.requests, test.refused*test.requests)
					}
					if test.requests > 1 && asked[1].Sub(asked[0]) < test.pause {
						t.Errorf("the second request came after %s, want %s at least", asked[1].Sub(asked[0]), test.pause)
					}
				})
			})
		}
	}
}

// TestUnreadAnswers leaves the last word to the body where it has it: no success, no record's fate and nothing that a
// definition's words could change is decided without it.
func TestUnreadAnswers(t *testing.T) {
	for name, broken := range unreadables(t) {
		for _, code := range []int{200, 302, 404, 422} {
			synctest.Test(t, func(t *testing.T) {
				transport := roundTrip(func(r *http.Request) (*http.Response, error) { return broken.answer(r, code, http.Header{}) })
				definition := dialect(t, lookupList)
				row, rejected, err := dialectClient(t, definition, transport).Lookup(t.Context(), schema.Deposits, "d1")
				if row != nil || rejected != nil || !strings.Contains(fmt.Sprint(err), broken.says) {
					t.Errorf("%d with %s: %v, %v, %v, want only that the body cannot be read", code, name, row, rejected, err)
				}
			})
		}
	}
}

// TestUnreadBan stops the key at a 403 or a 418 after a refusal for the rate, whether or not its body can be read.
func TestUnreadBan(t *testing.T) {
	for name, broken := range unreadables(t) {
		for _, code := range []int{403, 418} {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					if asked++; asked == 1 {
						return answering(429, "")(r)
					}
					return broken.answer(r, code, http.Header{})
				})
				log := &logText{}
				client := newClient(t, plainAccount(coinut(t)), transport, log)
				for range 2 {
					if _, err := client.Fetch(t.Context(), schema.Payments, ""); schema.ClassOf(err) != schema.ClassCredentials {
						t.Errorf("%d with %s: %v, want a credentials error", code, name, err)
					}
				}
				if asked != 2 || !strings.Contains(log.String(), "key_stopped") {
					t.Errorf("%d with %s: asked %d times, want 2 and a stop", code, name, asked)
				}
			})
		}
	}
}

// TestRefusalBeforeItsBody pauses the key while the body of the refusal is still on its way: nothing leaves then.
func TestRefusalBeforeItsBody(t *testing.T) {
	tests := map[string]struct {
		code   int
		header http.Header
		pause  time.Duration
	}{
		"a 429":           {429, http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"a 503":           {503, http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"nothing is left": {200, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"30"}}, 30 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, ended := time.Now(), time.Time{}
				var other time.Time
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, "balance") {
						if other.IsZero() {
							other = time.Now()
						}
						return answering(500, "")(r)
					}
					if !ended.IsZero() {
						return answering(200, emptyPage)(r)
					}
					response, err := answering(test.code, "")(r)
					response.Header, response.ContentLength = test.header, -1
					slow := &pacedReader{r.Context(), []byte(emptyPage), len(emptyPage), 10 * time.Second, 0}
					response.Body = &closing{slow, func() { ended = time.Now() }}
					return response, err
				})
				account := plainAccount(coinut(t))
				account.Windows = []extract.Window{{Requests: 100_000, Per: time.Minute}}
				account.Keyring = extract.NewKeyring(&keyTable{states: map[string]string{}})
				client := newClient(t, account, transport, &logText{})
				go func() { _, _ = client.Fetch(t.Context(), schema.Payments, "") }()
				pass(time.Second)
				go func() { _, _ = client.Fetch(t.Context(), schema.Balances, "") }()
				pass(10 * time.Minute)
				if ended.Sub(begun) != 10*time.Second || other.Sub(begun) < test.pause {
					t.Errorf("the body ended after %s, and another request left after %s, want %s at least", ended.Sub(begun), other.Sub(begun), test.pause)
				}
			})
		})
	}
}

// TestHourIsUsedUp rests for the rest of the hour where the partner says that nothing of it is left.
func TestHourIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := answering(200, emptyPage)(r)
			response.Header = http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"2400"}}
			return response, err
		})
		account := plainAccount(coinut(t))
		account.Windows = []extract.Window{{Requests: 100, Per: time.Second}, {Requests: 100_000, Per: time.Hour}}
		client := newClient(t, account, transport, &logText{})
		begun := time.Now()
		for range 2 {
			if _, err := client.Fetch(t.Context(), schema.Payments, ""); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 40*time.Minute || took > 41*time.Minute {
			t.Errorf("the second request left after %s, want 40m", took)
		}
	})
}

// TestDeclaredLimit waits as long as the partner asks for where the definition, not the code, says that it is the rate.
func TestDeclaredLimit(t *testing.T) {
	for after, want := range map[string]time.Duration{"90": 90 * time.Second, "": time.Second, "86400": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				if asked++; asked > 1 {
					return answering(200, `{"d":[]}`)(r)
				}
				response, err := answering(400, `{"code":"slow_down"}`)(r)
				response.Header.Set("Retry-After", after)
				return response, err
			})
			client := dialectClient(t, dialect(t, one, "answers: {word: code, errors: [{word: slow_down, means: limit}]}"), transport)
			begun := time.Now()
			page, err := client.Fetch(t.Context(), schema.Deposits, "")
			if took := time.Since(begun); err != nil || page.Refused != 1 || took < want || took > want+time.Second {
				t.Errorf("%q: %v after %s with %d refused, want %s and up to 1s of jitter", after, err, took, page.Refused, want)
			}
		})
	}
}

// TestStampAfterNonce dates a request when it leaves, however long its nonce had to wait for the clock and the store.
func TestStampAfterNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &slowKeys{keyTable{states: map[string]string{}}}
		definition := dialect(t, one, "credentials: [api_key, api_secret]",
			`signing: {algorithm: hmac-sha384, key: api_secret, nonce: rising_milliseconds, timestamp: unix_milliseconds, parts: ["{timestamp}"], headers: {nonce: "{nonce}", stamp: "{timestamp}", signature: "{signature}"}}`)
		for life := range 2 {
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				if got, want := r.Header.Get("stamp"), fmt.Sprint(time.Now().UnixMilli()); got != want {
					t.Errorf("life %d: dated %s, left at %s", life, got, want)
				}
				response, err := answering(401, "")(r)
				response.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
				return response, err
			})
			client := dialectClient(t, definition, transport, func(a *extract.Account) { a.Keyring = extract.NewKeyring(keys) })
			if _, err := client.Fetch(t.Context(), schema.Deposits, ""); schema.ClassOf(err) != schema.ClassCredentials || strings.Contains(err.Error(), "clock is") {
				t.Errorf("life %d: %v, want a credentials error that blames no clock", life, err)
			}
		}
	})
}

// slowKeys is a store that takes its time.
type slowKeys struct{ keyTable }

// SaveKey implements extract.KeyStore.
func (s *slowKeys) SaveKey(ctx context.Context, key, state string) error {
	pass(7 * time.Second)
	return s.keyTable.SaveKey(ctx, key, state)
}
