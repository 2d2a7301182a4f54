package extract

// KeyName names the account's key at its partner without revealing it: accounts that share a key share the name. A
// partner that asks for no key counts by the address of this machine, so there all accounts share one.
func (c *Client) KeyName() string {
	return keyName(c.base.Host, c.account.Credentials["api_key"].Reveal())
}
