package sandbox_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// reply is any answer, JSON or not, read to its end.
type reply struct {
	code   int
	header http.Header
	text   string
}

// ask sends a request that is ready.
func ask(t testing.TB, s *sandbox.Sandbox, r *http.Request) reply {
	t.Helper()
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: %v", r.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", r.URL.Path, err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// asker asks as one account of one partner, signed in the shortest way: the vectors show that the sandbox agrees
// with others, this only has to agree with the sandbox.
type asker struct {
	sandbox *sandbox.Sandbox
	account sandbox.Account
	partner string
	now     func() time.Time
	nonce   *atomic.Int64
}

// askerOf opens a sandbox of a partner with its first account.
func askerOf(t testing.TB, options sandbox.Options) *asker {
	t.Helper()
	s := open(t, options)
	a := &asker{sandbox: s, account: s.Accounts()[0], partner: options.Partner, now: options.Now, nonce: &atomic.Int64{}}
	if a.now == nil {
		a.now = standing
	}
	a.nonce.Store(now.UnixMilli())
	return a
}

// request returns a request that is signed as the account's scheme wants it: a POST if there is a body.
func (a *asker) request(t testing.TB, target, body string) *http.Request {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://partner.example"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a.sign(r, body)
	return r
}

func (a *asker) sign(r *http.Request, body string) {
	seconds := strconv.FormatInt(a.now().Unix(), 10)
	switch a.partner + " " + a.account.Scheme {
	case "cryptoix signed":
		a.signCryptoix(r, r.URL.EscapedPath(), seconds, body)
	case "cryptoix signed_query":
		a.signCryptoix(r, r.URL.RequestURI(), seconds, body)
	case "cryptoix signed_below":
		a.signCryptoix(r, strings.TrimPrefix(r.URL.EscapedPath(), "/v1"), seconds, body)
	case "cryptoix key":
		r.Header.Set("X-API-Key", a.account.Key)
	case "cryptoix ", "cryptoix bearer", "fifth ", "fifth bearer":
		r.Header.Set("Authorization", "Bearer "+a.account.Key)
	case "kunapay ", "kunapay signed":
		a.signKunapay(r, strconv.FormatInt(a.nonce.Add(1), 10))
	case "aeterna ":
		a.signAeterna(r, seconds)
	default:
		panic("who is " + a.partner + " " + a.account.Scheme)
	}
}

func (a *asker) signCryptoix(r *http.Request, target, seconds, body string) {
	r.Header.Set("X-API-Key", a.account.Key)
	r.Header.Set("X-API-Timestamp", seconds)
	r.Header.Set("X-API-Signature", base64.StdEncoding.EncodeToString(a.mac(sha256.New, r.Method+target+seconds+body)))
}

func (a *asker) signKunapay(r *http.Request, nonce string) {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("public-key", a.account.Key)
	r.Header.Set("nonce", nonce)
	r.Header.Set("signature", hex.EncodeToString(a.mac(sha512.New384, r.URL.RequestURI()+nonce+"{}")))
}

func (a *asker) signAeterna(r *http.Request, seconds string) {
	r.Header.Set("Accept", "application/json, text/plain")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-App-Token", a.account.Key)
	r.Header.Set("X-App-Access-Ts", seconds)
	r.Header.Set("X-App-Access-Sig", hex.EncodeToString(a.mac(sha256.New, seconds+a.account.Email)))
}

func (a *asker) mac(algorithm func() hash.Hash, text string) []byte {
	mac := hmac.New(algorithm, []byte(a.account.Secret))
	_, _ = io.WriteString(mac, text)
	return mac.Sum(nil)
}

// get asks with GET, and post with POST; both take any answer.
func (a *asker) get(t testing.TB, target string) reply {
	t.Helper()
	return ask(t, a.sandbox, a.request(t, target, ""))
}

func (a *asker) post(t testing.TB, target, body string) reply {
	t.Helper()
	return ask(t, a.sandbox, a.request(t, target, body))
}

// success decodes an answer that must be a success.
func success[T any](t testing.TB, r reply) T {
	t.Helper()
	if r.code != http.StatusOK || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("HTTP %d: %s", r.code, r.text)
	}
	return decode[T](t, []byte(r.text))
}

// walkList reads all pages of a list as its partner wants it, and checks on each what it says of itself.
func (a *asker) walkList(t testing.TB, list string, size int) []json.RawMessage {
	t.Helper()
	switch a.partner {
	case "cryptoix":
		return a.walkPages(t, size, func(number int) ([]json.RawMessage, int) {
			p := success[cryptoixPage](t, a.get(t, fmt.Sprintf("%s?page=%d&per_page=%d", list, number, size)))
			if !p.OK || p.Meta.Page != number || p.Meta.PerPage != size || p.Meta.TotalPages != (p.Meta.Total+size-1)/size {
				t.Fatalf("%s page %d says %+v", list, number, p.Meta)
			}
			return p.Data, p.Meta.Total
		})
	case "aeterna":
		return a.walkPages(t, size, func(number int) ([]json.RawMessage, int) {
			p := success[aeternaPage](t, a.post(t, list, fmt.Sprintf(`{"page":%d,"limit":%d}`, number, size)))
			return p.Result.Items, p.Result.Count
		})
	case "kunapay":
		return a.walkPages(t, size, func(number int) ([]json.RawMessage, int) {
			p := success[map[string][]json.RawMessage](t, a.get(t, fmt.Sprintf("%s?take=%d&skip=%d", list, size, (number-1)*size)))
			if len(p) != 1 {
				t.Fatalf("a page of %s says more than data: %v", list, p)
			}
			return p["data"], -1
		})
	}
	return a.walkCursors(t, list, size)
}

type cryptoixPage struct {
	OK   bool              `json:"ok"`
	Data []json.RawMessage `json:"data"`
	Meta struct {
		RequestID  string `json:"request_id"`
		Page       int    `json:"page"`
		PerPage    int    `json:"per_page"`
		Total      int    `json:"total"`
		TotalPages int    `json:"total_pages"`
	} `json:"meta"`
}

type aeternaPage struct {
	Result struct {
		Items []json.RawMessage `json:"items"`
		Count int               `json:"count"`
	} `json:"result"`
}

// walkPages reads pages until one is empty. A total that is not negative must hold for every page.
func (a *asker) walkPages(t testing.TB, size int, page func(number int) (items []json.RawMessage, total int)) (all []json.RawMessage) {
	t.Helper()
	short := false
	for number := 1; ; number++ {
		items, total := page(number)
		if items == nil || len(items) > size || (short && len(items) > 0) {
			t.Fatalf("page %d of size %d has %d items", number, size, len(items))
		}
		short = len(items) < size
		all = append(all, items...)
		if len(items) == 0 {
			if total >= 0 && total != len(all) {
				t.Fatalf("%d items, the total says %d", len(all), total)
			}
			return all
		}
	}
}

var nextLink = regexp.MustCompile(`<([^<>]*)>; rel="next"`)

// walkCursors follows the fifth partner's announcements of the next page, in whichever of the three ways.
func (a *asker) walkCursors(t testing.TB, list string, size int) (all []json.RawMessage) {
	t.Helper()
	target := fmt.Sprintf("%s?limit=%d", list, size)
	for target != "" {
		got := a.get(t, target)
		p := success[struct {
			Transfers  []json.RawMessage `json:"transfers"`
			NextCursor *string           `json:"next_cursor"`
			Next       *string           `json:"next"`
		}](t, got)
		announced := 0
		target = ""
		if p.NextCursor != nil {
			announced++
			target = fmt.Sprintf("%s?limit=%d&cursor=%s", list, size, url.QueryEscape(*p.NextCursor))
		}
		if p.Next != nil {
			announced++
			target = strings.TrimPrefix(*p.Next, "https://partner.example")
		}
		if link := nextLink.FindStringSubmatch(got.header.Get("Link")); link != nil {
			announced++
			target = strings.TrimPrefix(link[1], "https://partner.example")
		}
		if p.Transfers == nil || len(p.Transfers) > size || (announced == 1 && len(p.Transfers) != size) || announced > 1 {
			t.Fatalf("a page of %d announces %d next pages: %s", len(p.Transfers), announced, got.header.Get("Link"))
		}
		if len(p.Transfers) == 0 && len(all) > 0 {
			t.Fatal("a page was announced that has nothing in it")
		}
		all = append(all, p.Transfers...)
	}
	return all
}

// sameItems compares lists of items byte for byte.
func sameItems(a, b []json.RawMessage) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
