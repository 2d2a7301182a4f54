package extract

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keyStore keeps the states of keys as a table would. When it fails nothing is kept, or everything is and the answer
// is lost.
type keyStore struct {
	mu        sync.Mutex // guards the rest
	states    map[string]string
	saved     int
	failLoad  bool
	failSave  bool
	loseSaved bool
}

var errStore = errors.New("the store is gone")

func (s *keyStore) LoadKey(_ context.Context, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failLoad {
		return "", errStore
	}
	return s.states[key], nil
}

func (s *keyStore) SaveKey(_ context.Context, key, state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failSave {
		return errStore
	}
	if s.states == nil {
		s.states = map[string]string{}
	}
	s.states[key] = state
	s.saved++
	if s.loseSaved {
		return errStore
	}
	return nil
}

func (s *keyStore) HoldsKey(string) error { return nil }

// drawn draws a nonce as a number.
func drawn(t *testing.T, n *nonces, now time.Time) int64 {
	t.Helper()
	text, err := n.next(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

var instant = time.Date(2026, 3, 12, 17, 22, 4, 0, time.UTC)

// TestNonceRises draws nonces while the clock stands still, goes on, and steps back: each is above all before, and
// the clock itself where it is ahead.
func TestNonceRises(t *testing.T) {
	n := &nonces{kind: NonceRising}
	last := int64(0)
	for i, step := range []time.Duration{0, 0, 0, time.Millisecond, time.Second, -time.Hour, -time.Hour, 24 * time.Hour, -time.Nanosecond} {
		now := instant.Add(step)
		got := drawn(t, n, now)
		if got <= last || (now.UnixMilli() > last && got != now.UnixMilli()) {
			t.Errorf("nonce %d is %d behind %d, at %d", i, got, last, now.UnixMilli())
		}
		last = got
	}
}

// TestNonceConcurrently draws from many goroutines in one instant: no two are equal.
func TestNonceConcurrently(t *testing.T) {
	store := &keyStore{}
	n := &nonces{kind: NonceRising, key: "k", store: store}
	all := make([]int64, 2000)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() { all[i] = drawn(t, n, instant) })
	}
	group.Wait()
	slices.Sort(all)
	if len(slices.Compact(all)) != 2000 || all[1999]-all[0] != 1999 {
		t.Errorf("2000 nonces lie between %d and %d", all[0], all[1999])
	}
	if store.saved > 2 {
		t.Errorf("the store was written %d times", store.saved)
	}
}

// TestNonceOverRestarts kills the process at any moment, also between a reservation and its use, and with a clock
// that stepped back meanwhile: whatever was drawn before is below what is drawn after.
func TestNonceOverRestarts(t *testing.T) {
	synctest.Test(t, nonceOverRestarts)
}

func nonceOverRestarts(t *testing.T) {
	store := &keyStore{}
	highest, clock := int64(0), instant
	for life := range 50 {
		n := &nonces{kind: NonceRising, key: "k", store: store}
		clock = clock.Add(time.Duration(life%7-3) * time.Minute)
		for range life % 5 * 400 {
			got := drawn(t, n, clock)
			if got <= highest {
				t.Fatalf("life %d drew %d, and %d was drawn before", life, got, highest)
			}
			highest = got
			clock = clock.Add(time.Duration(life) * time.Millisecond)
		}
		// The process dies after it has reserved and before it has used what it drew.
		killed := &nonces{kind: NonceRising, key: "k", store: store}
		store.loseSaved = true
		if text, err := killed.next(t.Context(), clock); !errors.Is(err, errStore) || text != "" {
			t.Fatalf("a reservation whose answer was lost gave %q, %v", text, err)
		}
		store.loseSaved = false
	}
	// A process that takes over is not thrown far ahead of the clock by its predecessors.
	fresh := &keyStore{}
	for range 3 {
		drawn(t, &nonces{kind: NonceRising, key: "k", store: fresh}, instant)
	}
	if ahead := drawn(t, &nonces{kind: NonceRising, key: "k", store: fresh}, instant) - instant.UnixMilli(); ahead > 3*nonceReserve.Milliseconds()+3 {
		t.Errorf("after three restarts in one instant nonces are %d ms ahead", ahead)
	}
}

// TestNonceReserves writes to the store before it gives out what the reservation does not cover, and only then.
func TestNonceReserves(t *testing.T) {
	store := &keyStore{}
	n := &nonces{kind: NonceRising, key: "k", store: store}
	for i := range 20_001 { // twenty seconds
		got := drawn(t, n, instant.Add(time.Duration(i)*time.Millisecond))
		if reserved, _ := strconv.ParseInt(store.states["k"], 10, 64); got > reserved {
			t.Fatalf("%d was given out, and only %d is reserved", got, reserved)
		}
	}
	if store.saved < 3 || store.saved > 5 {
		t.Errorf("the store was written %d times in 20 s, want one for each %s", store.saved, nonceReserve)
	}
}

// TestNonceStoreFails gives no nonce out where its being remembered is not sure, and goes on when it is again.
func TestNonceStoreFails(t *testing.T) {
	store := &keyStore{failLoad: true}
	n := &nonces{kind: NonceRising, key: "k", store: store}
	for _, text := range []string{"load the last nonce of the key: the store is gone", "reserve nonces of the key: the store is gone"} {
		if got, err := n.next(t.Context(), instant); got != "" || err == nil || err.Error() != text {
			t.Errorf("%q, %v, want %s", got, err, text)
		}
		store.failLoad, store.failSave = false, true
	}
	store.failSave = false
	if got := drawn(t, n, instant); got != instant.UnixMilli() {
		t.Errorf("drew %d, want %d", got, instant.UnixMilli())
	}
	store.states["broken"] = "not a number"
	if _, err := (&nonces{kind: NonceRising, key: "broken", store: store}).next(t.Context(), instant); err == nil || !strings.Contains(err.Error(), "is no number") {
		t.Errorf("%v, want that the state cannot be read", err)
	}
}

// TestNonceKinds draws what the definition wants: nothing, or something random.
func TestNonceKinds(t *testing.T) {
	if got, err := (&nonces{}).next(t.Context(), instant); got != "" || err != nil {
		t.Errorf("%q, %v, want none", got, err)
	}
	random := &nonces{kind: NonceUUID}
	seen := map[string]bool{}
	for range 1000 {
		text, err := random.next(t.Context(), instant)
		if err != nil || len(text) != 36 {
			t.Fatalf("%q, %v", text, err)
		}
		seen[text] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 are different", len(seen))
	}
}

// TestKeyName names keys without telling them; two keys or two hosts never share a name.
func TestKeyName(t *testing.T) {
	names := map[string]bool{}
	for _, pair := range [][2]string{{"h", "k"}, {"hk", ""}, {"", "hk"}, {"h", "k2"}, {"h2", "k"}} {
		name := keyName(pair[0], pair[1])
		names[name] = true
		if len(name) != 32 || strings.Contains(name, "hk") {
			t.Errorf("%q is named %q", pair, name)
		}
	}
	if len(names) != 5 {
		t.Errorf("five keys have %d names", len(names))
	}
}

// TestKeyHost: one host has one form, however it is spelled, and two have two.
func TestKeyHost(t *testing.T) {
	for _, same := range [][]string{
		{"api.example.com", "API.Example.COM", "api.example.com.", "api.example.com:443", "API.example.com.:443"},
		{"api.example.com:8443", "API.example.com.:8443"},
		{"[::1]", "::1", "[::1]:443"},
		{"127.0.0.1", "127.0.0.1:80"},
	} {
		for _, host := range same[1:] {
			if keyHost(host) != keyHost(same[0]) {
				t.Errorf("%s is counted as %s, and %s as %s", host, keyHost(host), same[0], keyHost(same[0]))
			}
		}
	}
	if keyHost("api.example.com") == keyHost("api.example.com:8443") || keyHost("a.example") == keyHost("b.example") {
		t.Error("two hosts are counted as one")
	}
}

// TestKeyringSpellings gives accounts one limiter whose hosts are one.
func TestKeyringSpellings(t *testing.T) {
	keyring := NewKeyring(nil)
	account := Account{Name: "a", Definition: &Definition{}, Windows: []Window{{60, time.Minute}}}
	first, err := keyring.hold("api.example.com", account, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"API.example.com", "api.example.com.", "api.example.com:443"} {
		if again, err := keyring.hold(host, account, slog.New(slog.DiscardHandler)); again != first || err != nil {
			t.Errorf("%s has a limiter of its own, %v", host, err)
		}
	}
}

// TestNonceDefinition makes the requests of a key go one after the other where its nonces must rise.
func TestNonceDefinition(t *testing.T) {
	definition, err := ParseDefinition("x.yaml", []byte("name: x\ncredentials: [api_key]\nsigning: {nonce: rising_milliseconds, headers: {N: \"{nonce}\"}}\nrate_limits: [60/1m]\nresources:\n  balances: {path: /b, paging: {style: none}, items: d, fields: {currency: c}}\n"))
	if err != nil || !definition.Serial {
		t.Fatalf("serial %v (%v)", definition != nil && definition.Serial, err)
	}
	synctest.Test(t, func(t *testing.T) {
		limit := newLimiter(definition.RateLimits, definition.Serial, &keyStore{}, slog.New(slog.DiscardHandler))
		if limit.pacer.burst != 1 {
			t.Errorf("%d requests at once, want 1", limit.pacer.burst)
		}
	})
}
