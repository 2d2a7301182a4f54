package extract

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tieout/schema"
)

// redact takes the account's credentials and a signature that was sent out of a text that the other side has had a
// hand in. Where a signature covers little, who has it can make requests of his own while it lives.
func (c *Client) redact(text string, signature schema.Secret) string {
	return c.sought(signature).without(text)
}

// sought are the account's credentials and a signature.
func (c *Client) sought(signature schema.Secret) sought {
	return soughtAmong(append(slices.Collect(maps.Values(c.account.Credentials)), signature), 0)
}

// printable replaces what could move a terminal's cursor or break a line of a log.
func printable(foreign string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, foreign)
}

// requestIDMax bounds what is kept of a partner's name of a request: those in use have 36 characters and less.
const requestIDMax = 80

// requestID returns how the partner calls a request, in visible characters of ASCII; empty if it does not say.
func (c *Client) requestID(header http.Header, signature schema.Secret) string {
	id := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, c.redact(header.Get(c.account.Definition.Answers.RequestID), signature))
	return id[:min(len(id), requestIDMax)]
}

// logOf returns the log of a request that was refused.
func (c *Client) logOf(refused *refusal) *slog.Logger {
	if refused.request == "" {
		return c.log
	}
	return c.log.With("request_id", refused.request)
}
