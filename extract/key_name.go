package extract

import (
	"net"
	"strings"
)

// keyHost returns the one form of a base URL's host under which its keys are counted, however it is spelled: a limiter
// for each spelling would send that many times what the partner allows. The ports that go without saying are left out.
func keyHost(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return plainHost(strings.Trim(address, "[]"))
	}
	if port == "443" || port == "80" {
		return plainHost(host)
	}
	return net.JoinHostPort(plainHost(host), port)
}

// KeyName names the account's key at its partner without revealing it: accounts that share a key share the name. A
// partner that asks for no key counts by the address of this machine, so there all accounts share one.
func (c *Client) KeyName() string {
	return keyName(keyHost(c.base.Host), c.account.Credentials["api_key"].Reveal())
}
