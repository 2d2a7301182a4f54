package extract

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tieout/schema"
)

// refusal is an attempt that did not give what was asked for, with what to do about it.
type refusal struct {
	class      schema.Class
	exhausted  schema.Class // class after the last attempt, where class is transient
	limited    bool         // the partner's rate limit, so the whole key pauses
	wait       time.Duration
	code       int    // of the answer
	unanswered bool   // there was no answer, so that the request may still arrive
	cause      error  // what the partner said, without secrets
	hint       string // what a person can do about it; may be empty
	request    string // how the partner calls the request; may be empty

	quarantine bool   // a record that was looked up goes to quarantine
	body       []byte // of the partner's answer, without secrets; only for the quarantine
}

// Error implements error.
func (r *refusal) Error() string { return r.cause.Error() }

// Unwrap returns the cause.
func (r *refusal) Unwrap() error { return r.cause }

// banned reports whether the answer, after a refusal for the rate, means that the key is shut out.
func (r *refusal) banned() bool {
	return (r.code == http.StatusForbidden || r.code == http.StatusTeapot) && !r.limited && r.class != schema.ClassConfiguration
}

// The bounds between which a partner's Retry-After is believed.
const (
	retryAfterMin = time.Second
	retryAfterMax = time.Hour
)

// clockSkewMax is how far the partner's clock may be from ours before it is worth a word: some partners accept
// signatures for sixty seconds only.
const clockSkewMax = 5 * time.Second

// judgeUnread judges an answer whose body could not be read: what the code and the headers say holds without it. Where
// the body has the last word, as about a success or about what becomes of a record, the fault is the body's.
func (c *Client) judgeUnread(response *http.Response, unread *refusal, sent time.Time) *refusal {
	code := response.StatusCode
	refused := c.meaning(response, parsedAnswer{})
	if code < 300 || refused.class == schema.ClassStream {
		unread.code = code
		return unread
	}
	refused.code = code
	refused.cause = fmt.Errorf("the partner answered %d, and its body could not be read: %w", code, unread.cause)
	if refused.class == schema.ClassCredentials {
		refused.cause = fmt.Errorf("%w%s", refused.cause, skewNote(response, sent))
	}
	return refused
}

// judge returns nil if the answer is what was asked for. It and judgeUnread are the places that look at codes and words.
func (c *Client) judge(response *http.Response, got reply, sent time.Time) *refusal {
	answers := &c.account.Definition.Answers
	parsed := answers.parse(got.body)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") && parsed.err != nil {
		parsed.message = strings.TrimSpace(string(got.body))
	}
	code := response.StatusCode
	if code >= 200 && code < 300 {
		if parsed.err != nil {
			return &refusal{class: schema.ClassTransient, exhausted: schema.ClassStream, cause: fmt.Errorf("answered %d, but its body %w", code, parsed.err)}
		}
		if parsed.success {
			return nil
		}
	}
	refused := c.meaning(response, parsed)
	refused.code = code
	said := strconv.Itoa(code)
	// Credentials are taken out first: what is cut or quoted cannot be recognised any more.
	if parsed.word != "" {
		said += " " + excerpt(printable(c.redact(parsed.word, got.signature)))
	}
	if parsed.message != "" {
		said += fmt.Sprintf(" %q", excerpt(printable(c.redact(parsed.message, got.signature))))
	}
	refused.cause = fmt.Errorf("the partner answered %s", said)
	if refused.quarantine {
		refused.body = c.sought(got.signature).withoutJSON(got.body)
	}
	if refused.class == schema.ClassCredentials {
		refused.cause = fmt.Errorf("%w%s", refused.cause, skewNote(response, sent))
	}
	return refused
}

// parsedAnswer is what the envelope of an answer says, as far as it can be read.
type parsedAnswer struct {
	success       bool // every condition of a success holds
	word, message string
	err           error // the body is no JSON document
}

func (a *Answers) parse(body []byte) parsedAnswer {
	if err := checkDocument(body); err != nil {
		return parsedAnswer{err: err}
	}
	var f finder
	conditions := make([]int, len(a.Success))
	for i, condition := range a.Success {
		conditions[i] = f.add(condition.Path)
	}
	words, messages := f.addAll(a.Word), f.addAll(a.Message)
	found, err := f.find(body, nil)
	if err != nil {
		return parsedAnswer{err: err}
	}
	parsed := parsedAnswer{success: true, word: firstText(found, words), message: firstText(found, messages)}
	for i, condition := range a.Success {
		parsed.success = parsed.success && condition.holds(found[conditions[i]])
	}
	return parsed
}

// firstText returns the first scalar that is there; objects and lists explain nothing.
func firstText(found []jsontext.Value, numbers []int) string {
	for _, number := range numbers {
		if value := found[number]; value != nil && value.Kind() != '{' && value.Kind() != '[' {
			return text(value)
		}
	}
	return ""
}

// holds reports whether a value, nil where there is none, is what the condition demands.
func (c Condition) holds(value jsontext.Value) bool {
	switch {
	case c.Absent:
		return value == nil
	case c.Empty:
		compact, err := canonical(nil, value)
		return value == nil || (err == nil && slices.Contains([]string{`""`, "[]", "{}"}, string(compact)))
	case c.Not != "":
		return value == nil || text(value) != c.Not
	}
	return value != nil && text(value) == c.Equals
}

// meaning applies what every API means by its codes, then the definition's rules, then the plain reading of the
// code.
func (c *Client) meaning(response *http.Response, parsed parsedAnswer) *refusal {
	code := response.StatusCode
	if limitedByCode(response) {
		return MeansLimit.refusal(response.Header)
	}
	for _, rule := range c.account.Definition.Answers.Errors {
		if (len(rule.HTTP) == 0 || slices.Contains(rule.HTTP, code)) && (rule.Word == "" || strings.EqualFold(rule.Word, parsed.word)) {
			return rule.Means.refusal(response.Header)
		}
	}
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &refusal{class: schema.ClassCredentials}
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return &refusal{class: schema.ClassTransient, exhausted: schema.ClassUnavailable}
	case code >= 500, code == http.StatusRequestTimeout:
		return &refusal{class: schema.ClassTransient, exhausted: schema.ClassStream}
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity:
		return MeansQuarantine.refusal(response.Header)
	}
	return &refusal{class: schema.ClassStream}
}

// limitedByCode reports whether the code and the headers alone tell of the rate limit, whatever the body says.
func limitedByCode(response *http.Response) bool {
	return response.StatusCode == http.StatusTooManyRequests ||
		(response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "")
}

// refusal returns what a meaning makes of an answer with these headers.
func (m Meaning) refusal(header http.Header) *refusal {
	switch m {
	case MeansRetry:
		return &refusal{class: schema.ClassTransient, exhausted: schema.ClassStream}
	case MeansCredentials:
		return &refusal{class: schema.ClassCredentials}
	case MeansConfiguration:
		return &refusal{class: schema.ClassConfiguration}
	case MeansQuarantine:
		return &refusal{class: schema.ClassStream, quarantine: true, hint: "no page is skipped: the list is read on from here once the partner answers"}
	case MeansLimit:
		return &refusal{class: schema.ClassTransient, exhausted: schema.ClassUnavailable, limited: true, wait: retryAfter(header, time.Now())}
	}
	return &refusal{class: schema.ClassStream}
}

// retryAfter reads seconds or a date; what is neither counts as absent. A stated wait is kept between one second
// and one hour.
func retryAfter(header http.Header, now time.Time) time.Duration {
	stated := header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(stated, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(stated); err == nil {
		wait = date.Sub(partnerTime(header, now))
	} else {
		return 0
	}
	return min(max(wait, retryAfterMin), retryAfterMax)
}

// partnerTime is the partner's clock by the answer's own date, against which the instants in its headers are measured;
// ours if it does not tell.
func partnerTime(header http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		return date
	}
	return now
}

// budgetRest reads the headers in which some partners tell what is left of a limit. Where nothing is, it returns how
// long until there is, at most the longest window, or some of it if that cannot be read; else zero. They can only slow
// us down: a partner that says there is plenty is not believed.
func budgetRest(header http.Header, now time.Time, some, longest time.Duration) time.Duration {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if header.Get(prefix+"Remaining") != "0" {
			continue
		}
		reset, err := strconv.ParseInt(header.Get(prefix+"Reset"), 10, 64)
		// A count of seconds, or a Unix time: no window is years long.
		if reset > secondsOfAYear {
			reset = max(0, reset-partnerTime(header, now).Unix())
		}
		if err != nil || reset < 0 || reset > secondsOfAYear {
			return some
		}
		return min(time.Duration(reset)*time.Second, longest)
	}
	return 0
}

const secondsOfAYear = 365 * 24 * 60 * 60

// skewNote tells how far the partner's clock is from ours, if that is far enough to spoil a signature.
func skewNote(response *http.Response, sent time.Time) string {
	skew, ok := clockSkew(response, sent)
	switch {
	case !ok || skew.Abs() <= clockSkewMax:
		return ""
	case skew > 0:
		return fmt.Sprintf("; this machine's clock is %s behind the partner's", skew)
	}
	return fmt.Sprintf("; this machine's clock is %s ahead of the partner's", -skew)
}

// clockSkew is the partner's clock minus ours, to the second; ok is false if the partner sent no date.
func clockSkew(response *http.Response, sent time.Time) (skew time.Duration, ok bool) {
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return date.Sub(sent).Round(time.Second), true
}
