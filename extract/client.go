package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tieout/schema"
)

// What one request may cost.
const (
	requestTimeout = 60 * time.Second // from the first byte sent to the last byte read
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
	key, err := account.Keyring.hold(base.Host, account, log.With("account", account.Name))
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
	urgent   bool // goes before others of the key that wait
}

// answer is a successful reply, with what it took.
type answer struct {
	reply
	sentAt    time.Time // of the attempt that was answered
	at        time.Time
	requests  int
	refused   int // attempts that the partner refused for their rate
	limitWait time.Duration
}

// reply is what one attempt gave.
type reply struct {
	body      []byte
	header    http.Header
	request   string        // the partner's name of the request
	signature schema.Secret // that was sent: some can be used again while they live
	clockSkew time.Duration
}

// ask sends a request until it is answered, refused for good, or not worth another attempt. Each attempt waits
// for its own permit and is signed anew. The error has the class by which the run acts.
func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	var asked answer
	for {
		waited, err := c.limiter.acquire(ctx, r.urgent)
		asked.limitWait += waited
		if err != nil {
			return asked, fmt.Errorf("account %s: %w", c.account.Name, err)
		}
		asked.requests++
		asked.sentAt = time.Now()
		asked.reply, err = c.attempt(ctx, r)
		asked.at = time.Now()
		refused, ok := errors.AsType[*refusal](err)
		switch {
		case ok && refused.limited:
			asked.refused++
			c.refuse(asked.sentAt, refused, asked.requests) // before the permit is given back, so that nobody slips in between
			c.limiter.release()
		case ok && refused.unanswered:
			c.limiter.hold()
		default:
			c.limiter.release()
		}
		switch {
		case err == nil:
			return asked, nil
		case ctx.Err() != nil:
			return asked, cancelled(ctx)
		case !ok:
			return asked, fmt.Errorf("account %s: %w", c.account.Name, err)
		case refused.banned() && c.limiter.refusedLately():
			return asked, c.stop(ctx, refused)
		case refused.class != schema.ClassTransient:
			return asked, c.final(refused.class, refused)
		case asked.requests == attemptsMax:
			return asked, c.final(refused.exhausted, fmt.Errorf("%w, %d times in a row", refused, attemptsMax))
		case !c.limiter.repeat():
			return asked, c.final(refused.exhausted, fmt.Errorf("%w; a tenth of the run's requests were repeats, and no more are made", refused))
		}
		if err := c.backOff(ctx, refused, asked.requests); err != nil {
			return asked, err
		}
	}
}

func (c *Client) final(class schema.Class, err error) error {
	failure := &schema.Error{Class: class, Op: "account " + c.account.Name + " at " + c.account.Definition.Title, Err: err}
	if refused, ok := errors.AsType[*refusal](err); ok {
		failure.Hint, failure.Request = refused.hint, refused.request
	}
	if class == schema.ClassCredentials {
		failure.Hint = "check its key, secret and base URL, the partner's IP allow-list, and this machine's clock"
	}
	return failure
}

// stop ends the key after an answer that looks like a ban: whoever asks on makes it longer.
func (c *Client) stop(ctx context.Context, refused *refusal) error {
	err := &schema.Error{
		Class: schema.ClassCredentials, Op: "account " + c.account.Name + " at " + c.account.Definition.Title,
		Err:  fmt.Errorf("%w after it had refused requests for their rate: no further request is made with this key", refused),
		Hint: "it may be banned for a while: ask the partner before the next run, and whether its rate limits are as configured",
	}
	c.limiter.stop(context.WithoutCancel(ctx), err, retryAfterMax)
	c.logOf(refused).Error("the partner shuts the key out after it had refused requests for their rate; no further request is made", incident, "key_stopped", "reason", refused.Error())
	return err
}

// incident is the attribute of a log line that somebody should be woken for.
const incident = "incident"

// jitter is the random part of a wait: full, so that repeats of several lists do not come together.
func jitter(attempts int) time.Duration {
	return rand.N(min(backoffMax, backoffBase<<(attempts-1))) //nolint:gosec // spreading load needs no secrecy
}

// refuse lets the whole key pause after a refusal for its rate, and go on at half of it.
func (c *Client) refuse(sent time.Time, refused *refusal, attempts int) {
	wait := c.pauseAfter(refused.wait) + jitter(attempts)
	count := c.limiter.refuse(sent, wait)
	c.logOf(refused).Error("the partner refused a request because of its rate limit; the key pauses and goes on at half the rate", incident, "rate_limited",
		"refused", count, "wait", wait.Round(time.Second), "reason", refused.Error())
}

// backOff waits before the next attempt after a fault. After a refusal for its rate the key pauses by itself.
func (c *Client) backOff(ctx context.Context, refused *refusal, attempts int) error {
	if refused.limited {
		return nil
	}
	wait := jitter(attempts)
	c.logOf(refused).Warn("request failed, trying again", "wait", wait.Round(time.Millisecond), "attempt", attempts, "reason", refused.Error())
	return sleep(ctx, wait)
}

// pauseAfter is how long the key rests after a refusal: as long as the partner asks for, but some minutes of its windows
// at least; a whole window, even one of hours, where it says nothing that can be read.
func (c *Client) pauseAfter(stated time.Duration) time.Duration {
	pause := max(stated, c.longestWindow())
	if stated == 0 {
		pause = max(pause, c.wholeWindow())
	}
	return pause
}

// wholeWindow is the longest of the key's windows, however long, and the most that a header about what is left can make
// the key rest.
func (c *Client) wholeWindow() time.Duration {
	longest := c.longestWindow()
	for _, window := range c.account.Windows {
		longest = max(longest, window.Per)
	}
	return longest
}

// longestWindow is the least pause after a refusal, and how long the key rests where nothing is left of a limit for a
// time that cannot be read. Hours are too long where the partner itself names a shorter wait.
func (c *Client) longestWindow() time.Duration {
	longest := max(time.Second, time.Duration(c.account.Definition.Lockout))
	for _, window := range c.account.Windows {
		longest = max(longest, min(window.Per, 5*time.Minute))
	}
	return longest
}

// attempt sends a request once and returns what came back. Every error is a *refusal, but for what the key's store
// says.
func (c *Client) attempt(ctx context.Context, r request) (reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signed, signature, begun, err := c.sign(ctx, r)
	if err != nil {
		return reply{}, err
	}
	response, err := c.http.Do(signed)
	if err != nil {
		refused := c.unreachable(err, signature)
		dialled, failed := errors.AsType[*net.OpError](err)
		refused.unanswered = !failed || dialled.Op != "dial" // where no connection was made nothing can arrive
		return reply{}, refused
	}
	defer response.Body.Close()
	c.slowDown(response)
	got := reply{header: response.Header, signature: signature, request: c.requestID(response.Header, signature)}
	got.clockSkew, _ = clockSkew(response, begun)
	var refused *refusal
	if got.body, refused = c.readBody(ctx, cancel, response, signature); refused != nil {
		refused = c.judgeUnread(response, refused, begun)
	} else {
		refused = c.judge(response, got, begun)
	}
	if refused != nil {
		refused.request = got.request
		return got, refused
	}
	return got, nil
}

// slowDown lets the key rest for what the code and the headers of an answer say, before its body is read: that can take
// a minute, and fail, and the key's other requests would leave meanwhile.
func (c *Client) slowDown(response *http.Response) {
	now := time.Now()
	c.limiter.rest(budgetRest(response.Header, now, c.longestWindow(), c.wholeWindow()))
	if limitedByCode(response) {
		c.limiter.rest(c.pauseAfter(retryAfter(response.Header, now)))
	}
}

// sign makes one attempt of a request, with a nonce, a time and a signature of its own. It returns the signature and
// the time as well.
func (c *Client) sign(ctx context.Context, r request) (*http.Request, schema.Secret, time.Time, error) {
	signing := &c.account.Definition.Signing
	target := *c.base
	// The path is escaped already: an identifier with a slash in it must arrive as one name.
	target.RawPath = r.path
	if !r.absolute {
		target.RawPath = c.base.EscapedPath() + r.path
	}
	var err error
	if target.Path, err = url.PathUnescape(target.RawPath); err != nil {
		return nil, schema.Secret{}, time.Time{}, &refusal{class: schema.ClassConfiguration, cause: errors.New("the address cannot be used")}
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
		return nil, schema.Secret{}, time.Time{}, &refusal{class: schema.ClassConfiguration, cause: errors.New("the address cannot be used")}
	}
	if len(body) > 0 {
		signed.ContentLength = int64(len(body))
	}
	nonce, err := c.nonces.next(ctx, time.Now())
	if err != nil {
		return nil, schema.Secret{}, time.Time{}, err
	}
	now := time.Now() // after the nonce, which may have had to wait for the store and for the clock
	_, headers, signature := signing.sign(SigningInput{
		Method: signed.Method, Host: signed.URL.Host, Path: signed.URL.EscapedPath(), Query: signed.URL.RawQuery,
		BasePath: c.base.EscapedPath(), Body: body, Timestamp: signing.stamp(now), Nonce: nonce, Credentials: c.account.Credentials,
	})
	if signed.Header = headers; headers.Get("Accept-Encoding") == "" {
		headers.Set("Accept-Encoding", "gzip")
	}
	return signed, signature, now, nil
}

// unreachable explains a transport's error without the address, which its text repeats in full.
func (c *Client) unreachable(err error, signature schema.Secret) *refusal {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if blocked, ok := errors.AsType[*blockedAddress](err); ok {
		return &refusal{class: schema.ClassConfiguration, cause: blocked, hint: blocked.hint()}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no complete answer within %s", requestTimeout)
	}
	return &refusal{
		class: schema.ClassTransient, exhausted: schema.ClassUnavailable,
		cause: fmt.Errorf("%s is not reachable: %s", c.base.Host, printable(c.redact(err.Error(), signature))),
	}
}
