package extract

// KeyName names the account's key at its partner without revealing it: accounts that share a key share the name. It
// is empty for a partner that asks for no key.
func (c *Client) KeyName() string {
	key := c.account.Credentials["api_key"]
	if key.IsZero() {
		return ""
	}
	return keyName(c.base.Host, key.Reveal())
}
