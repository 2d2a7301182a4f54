package extract_test

import (
	"fmt"
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

// TestBanStopsTheKey: 403 or 418 after a refusal for the rate may be a ban, which asking on would prolong. Nothing more is
// sent with the key, by no list and no other account, nor by a process that begins anew, for an hour.
func TestBanStopsTheKey(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusTeapot} {
		synctest.Test(t, func(t *testing.T) {
			keys := &keyTable{states: map[string]string{}}
			p := open(t, sandbox.Options{Records: 10}, coinut(t))
			keyring := extract.NewKeyring(keys)
			client := p.reopened(t, func(a *extract.Account) { a.Keyring = keyring })
			other := p.reopened(t, func(a *extract.Account) { a.Keyring, a.Name = keyring, "coinut_other" })
			p.Inject(1, nil, sandbox.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"5"}}, ""))
			p.Inject(1, nil, sandbox.Answer(code, nil, "<html>blocked</html>"))
			page, err := client.Fetch(t.Context(), schema.Payments, "")
			if schema.ClassOf(err) != schema.ClassCredentials || !strings.Contains(err.Error(), fmt.Sprint("answered ", code)) || !strings.Contains(err.Error(), "no further request is made with this key") || !strings.Contains(err.Error(), "banned") {
				t.Errorf("%v", err)
			}
			if page.Requests != 2 || page.Refused != 1 {
				t.Errorf("%d requests, %d refused, want 2 and 1", page.Requests, page.Refused)
			}
			for _, c := range []*extract.Client{client, other} {
				if _, err := c.Fetch(t.Context(), schema.Balances, ""); schema.ClassOf(err) != schema.ClassCredentials {
					t.Errorf("afterwards: %v", err)
				}
			}
			if p.Requests() != 2 {
				t.Errorf("%d requests were made, want 2", p.Requests())
			}
			if log := p.log.String(); strings.Count(log, `"incident":"rate_limited"`) != 1 || strings.Count(log, `"incident":"key_stopped"`) != 1 {
				t.Errorf("the incidents are not logged: %s", log)
			}
			begun := time.Now()
			again := p.reopened(t, func(a *extract.Account) { a.Keyring = extract.NewKeyring(keys) })
			if _, err := again.Fetch(t.Context(), schema.Balances, ""); err != nil || time.Since(begun) < 59*time.Minute {
				t.Errorf("the next process asked after %s: %v", time.Since(begun), err)
			}
		})
	}
}

// TestForbiddenWithoutRefusal is about credentials, or about what a definition says, and not a ban.
func TestForbiddenWithoutRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		p.Inject(1, nil, sandbox.Answer(http.StatusForbidden, nil, ""))
		if _, err := p.client.Fetch(t.Context(), schema.Payments, ""); schema.ClassOf(err) != schema.ClassCredentials || strings.Contains(err.Error(), "banned") {
			t.Errorf("%v", err)
		}
		if _, err := p.client.Fetch(t.Context(), schema.Balances, ""); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestPauseOutlivesTheProcess: a process that is killed in the pause after a refusal leaves the pause to the next one.
func TestPauseOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &keyTable{states: map[string]string{}}
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		begin := func() *extract.Client {
			return p.reopened(t, func(a *extract.Account) { a.Keyring, a.Windows = extract.NewKeyring(keys), nil })
		}
		p.Inject(1, nil, sandbox.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"600"}}, ""))
		refused := make(chan struct{})
		killed := begin()
		go func() {
			defer close(refused)
			_, _ = killed.Fetch(t.Context(), schema.Payments, "") // it goes on in the end; the process is not really killed
		}()
		synctest.Wait()
		pass(30 * time.Second)
		begun := time.Now()
		client := begin()
		if _, err := client.Fetch(t.Context(), schema.Balances, ""); err != nil || time.Since(begun) < 570*time.Second || time.Since(begun) > 620*time.Second {
			t.Errorf("the next process asked after %s: %v", time.Since(begun), err)
		}
		<-refused
	})
}

// TestRepeatsAreFew: at most a tenth of a run's requests are repeats, beside a few that every run may make. A partner in
// trouble is not asked five times for everything.
func TestRepeatsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		fetch := func() error {
			_, err := p.client.Fetch(t.Context(), schema.Balances, "")
			return err
		}
		for range 100 {
			if err := fetch(); err != nil {
				t.Fatal(err)
			}
		}
		p.Inject(1000, nil, sandbox.Answer(http.StatusBadGateway, nil, ""))
		for range 20 {
			if err := fetch(); schema.ClassOf(err) != schema.ClassUnavailable {
				t.Errorf("%v, want unavailable", err)
			}
		}
		// 100 good ones, 20 that failed, and as repeats 16 and a tenth of all 151.
		if repeats := p.Requests() - 120; repeats != 31 {
			t.Errorf("%d repeats of %d requests, want 16 and a tenth", repeats, p.Requests())
		}
		if err := fetch(); err == nil || !strings.Contains(err.Error(), "a tenth of the run's requests were repeats") {
			t.Errorf("%v, want that the repeats are used up", err)
		}
	})
}

// TestUrgentPages puts balances and the first pages of a walk before long walks of the same key.
func TestUrgentPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Seed: 3, Records: 3000}, coinut(t))
		client := p.reopened(t, func(a *extract.Account) {
			a.Windows, a.Keyring = []extract.Window{{Requests: 60, Per: time.Minute}}, extract.NewKeyring(&keyTable{states: map[string]string{}})
		})
		var group sync.WaitGroup
		for range 6 { // long walks that wait for each other
			group.Go(func() {
				var position extract.Position
				for range 12 {
					page, err := client.Fetch(t.Context(), schema.Payments, position)
					if err != nil {
						t.Error(err)
						return
					}
					position = page.Next
				}
			})
		}
		pass(40 * time.Second) // all are past their first pages
		begun := time.Now()
		if _, err := client.Fetch(t.Context(), schema.Balances, ""); err != nil || time.Since(begun) > 2*time.Second {
			t.Errorf("the balances waited %s behind long walks (%v), want one turn", time.Since(begun), err)
		}
		if outlook := client.Outlook(); outlook.Planned == 0 || outlook.Limit != "60/1m" || !strings.Contains(outlook.String(), "limited by 60/1m") {
			t.Errorf("the outlook is %s", outlook)
		}
		group.Wait()
	})
}
