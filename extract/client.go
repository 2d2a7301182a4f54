package extract

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tieout/schema"
)

// What one request may cost.
const (
	requestTimeout = 60 * time.Second // from the first byte sent to the last byte read
	bodyMax        = 32 << 20         // bytes of an answer after decompression
	attemptsMax    = 5                // of one request, the first included
	backoffBase    = time.Second      // the second attempt follows within this time, the next within twice of it
	backoffMax     = time.Minute
)

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// Client asks one account's API. It is safe for concurrent use; all its requests share one rate limit.
type Client struct {
	account Account
	base    *url.URL
	http    *http.Client
	limiter *limiter
	nonces  *nonces
	log     *slog.Logger
}

// NewClient returns a client of an account. The transport is NewTransport's, or a test's; it is never asked to
// follow a redirect. An error is of ClassConfiguration and says what the account lacks.
func NewClient(account Account, transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	fail := func(format string, args ...any) error {
		return &schema.Error{Class: schema.ClassConfiguration, Op: "account " + account.Name, Err: fmt.Errorf(format, args...)}
	}
	if len(account.Definition.Resources) == 0 {
		return nil, fail("the definition %s is a template that lists nothing: extend it by a file in TIEOUT_PROVIDERS_DIR", account.Definition.Name)
	}
	if account.BaseURL == "" {
		account.BaseURL = account.Definition.BaseURL
	}
	if err := checkBaseURL(account.BaseURL); err != nil {
		return nil, fail("base URL: %w", err)
	}
	for _, name := range account.Definition.Needs() {
		if account.Credentials[name].IsZero() {
			return nil, fail("%s is missing", name)
		}
	}
	if len(account.Windows) == 0 {
		account.Windows = account.Definition.RateLimits
	}
	base, err := url.Parse(strings.TrimSuffix(account.BaseURL, "/"))
	if err != nil {
		return nil, fail("base URL: want an absolute address")
	}
	// The host that is sent is the host that is signed: the default port belongs to neither.
	base.Host = strings.TrimSuffix(base.Host, defaultPorts[base.Scheme])
	if account.Keyring == nil {
		account.Keyring = NewKeyring(nil)
	}
	key, err := account.Keyring.hold(base.Host, account)
	if err != nil {
		return nil, fail("%w", err)
	}
	return &Client{
		account: account,
		base:    base,
		http: &http.Client{
			Transport:     transport,
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limiter: key.limiter,
		nonces:  key.nonces,
		log:     log.With("account", account.Name, "provider", account.Definition.Name),
	}, nil
}

// Account returns whom the client asks for.
func (c *Client) Account() Account { return c.account }

// Place returns the host and path that the client asks, which tell one world of records from another.
func (c *Client) Place() string { return c.base.Host + c.base.Path }

// request is what is asked, before it is signed.
type request struct {
	method   Method
	path     string // escaped; below the base URL's path, unless absolute
	absolute bool   // path begins at the host
	query    string // as it is sent and signed
	body     []byte
}

// answer is a successful reply.
type answer struct {
	body      []byte
	header    http.Header
	sentAt    time.Time // of the attempt that was answered
	at        time.Time
	requests  int
	limitWait time.Duration
	clockSkew time.Duration
}

// ask sends a request until it is answered, refused for good, or not worth another attempt. Each attempt waits
// for its own permit and is signed anew. The error has the class by which the run acts.
func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	var asked answer
	for {
		waited, err := c.limiter.acquire(ctx)
		asked.limitWait += waited
		if err != nil {
			return asked, &schema.Error{Class: schema.ClassCancelled, Err: err}
		}
		asked.requests++
		asked.sentAt = time.Now()
		asked.header, asked.body, asked.clockSkew, err = c.attempt(ctx, r)
		asked.at = time.Now()
		c.limiter.release()
		refused, ok := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			return asked, nil
		case ctx.Err() != nil:
			return asked, &schema.Error{Class: schema.ClassCancelled, Err: context.Cause(ctx)}
		case !ok:
			return asked, fmt.Errorf("account %s: %w", c.account.Name, err)
		case refused.class != schema.ClassTransient:
			return asked, c.final(refused.class, refused)
		case asked.requests == attemptsMax:
			return asked, c.final(refused.exhausted, fmt.Errorf("%w, %d times in a row", refused, attemptsMax))
		}
		if err := c.backOff(ctx, refused, asked.requests); err != nil {
			return asked, err
		}
	}
}

func (c *Client) final(class schema.Class, err error) error {
	failure := &schema.Error{Class: class, Op: "account " + c.account.Name + " at " + c.account.Definition.Title, Err: err}
	if class == schema.ClassCredentials {
		failure.Hint = "check its key, secret and base URL, the partner's IP allow-list, and this machine's clock"
	}
	return failure
}

// backOff waits before the next attempt: with full jitter after a fault, and as long as the partner asked for,
// at least the longest window, with the whole key, after a refusal.
func (c *Client) backOff(ctx context.Context, refused *refusal, attempts int) error {
	spread := min(backoffMax, backoffBase<<(attempts-1))
	wait := rand.N(spread) //nolint:gosec // spreading load needs no secrecy
	if refused.limited {
		wait += max(refused.wait, c.longestWindow())
		c.limiter.refused(wait)
		c.log.Error("the partner refused a request because of its rate limit; the key pauses and goes on at half the rate", "wait", wait.Round(time.Second), "reason", refused.Error())
		return nil
	}
	c.log.Warn("request failed, trying again", "wait", wait.Round(time.Millisecond), "attempt", attempts, "reason", refused.Error())
	return sleep(ctx, wait)
}

// longestWindow is the pause after a refusal without a stated wait. Hours are too long to wait blindly: a run
// that long over its limit is better ended and started anew.
func (c *Client) longestWindow() time.Duration {
	longest := max(time.Second, time.Duration(c.account.Definition.Lockout))
	for _, window := range c.account.Windows {
		longest = max(longest, min(window.Per, 5*time.Minute))
	}
	return longest
}

// attempt sends a request once and returns the answer's header and body, and the clock skew that it shows. Every
// error is a *refusal, but for what the key's store says.
func (c *Client) attempt(ctx context.Context, r request) (http.Header, []byte, time.Duration, error) {
	begun := time.Now()
	signed, err := c.sign(ctx, r, begun)
	if err != nil {
		return nil, nil, 0, err
	}
	response, err := c.http.Do(signed)
	if err != nil {
		return nil, nil, 0, c.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, bodyMax))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, nil, 0, &refusal{class: schema.ClassStream, cause: fmt.Errorf("the answer is larger than %d MiB", tooLarge.Limit>>20)}
	}
	if err != nil {
		return nil, nil, 0, c.unreachable(err)
	}
	c.limiter.rest(budgetRest(response.Header, time.Now(), c.longestWindow()))
	skew, _ := clockSkew(response, begun)
	return response.Header, body, skew, c.judge(response, body, begun)
}

// sign makes one attempt of a request, with a time, a nonce and a signature of its own.
func (c *Client) sign(ctx context.Context, r request, now time.Time) (*http.Request, error) {
	signing := &c.account.Definition.Signing
	target := *c.base
	// The path is escaped already: an identifier with a slash in it must arrive as one name.
	target.RawPath = r.path
	if !r.absolute {
		target.RawPath = c.base.EscapedPath() + r.path
	}
	var err error
	if target.Path, err = url.PathUnescape(target.RawPath); err != nil {
		return nil, &refusal{class: schema.ClassConfiguration, cause: errors.New("the address cannot be used")}
	}
	target.RawQuery = r.query
	body := r.body
	if len(body) == 0 && signing.SendEmptyBody {
		body = []byte(signing.EmptyBody)
	}
	// A body of its own, without GetBody: net/http repeats a request that it can send again on its own when a reused
	// connection dies, and the partner would see one nonce twice.
	signed, err := http.NewRequestWithContext(ctx, string(r.method), target.String(), io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, &refusal{class: schema.ClassConfiguration, cause: errors.New("the address cannot be used")}
	}
	if len(body) > 0 {
		signed.ContentLength = int64(len(body))
	}
	nonce, err := c.nonces.next(ctx, now)
	if err != nil {
		return nil, err
	}
	_, signed.Header = signing.Sign(SigningInput{
		Method: signed.Method, Host: signed.URL.Host, Path: signed.URL.EscapedPath(), Query: signed.URL.RawQuery,
		Body: body, Timestamp: signing.stamp(now), Nonce: nonce, Credentials: c.account.Credentials,
	})
	return signed, nil
}

// unreachable explains a transport's error without the address, which its text repeats in full.
func (c *Client) unreachable(err error) *refusal {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no complete answer within %s", requestTimeout)
	}
	return &refusal{
		class: schema.ClassTransient, exhausted: schema.ClassUnavailable,
		cause: fmt.Errorf("%s is not reachable: %s", c.base.Host, printable(c.redact(err.Error()))),
	}
}

// redact takes the account's credentials out of a text that the other side has had a hand in, as they are and as
// Go quotes them, the longest first: one may be the beginning of another.
func (c *Client) redact(text string) string {
	secrets := slices.SortedFunc(maps.Values(c.account.Credentials), func(a, b schema.Secret) int {
		return cmp.Compare(len(b.Reveal()), len(a.Reveal()))
	})
	for _, secret := range secrets {
		if !secret.IsZero() {
			quoted := strconv.Quote(secret.Reveal())
			text = strings.ReplaceAll(text, secret.Reveal(), secret.String())
			text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], secret.String())
		}
	}
	return text
}
