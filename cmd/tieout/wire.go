package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"tieout/extract"
	"tieout/schema"
	"tieout/sync"
)

// clients makes a client for each configured account, with the streams to read. Keys is what they share about their
// keys; nil: nothing.
func (a *app) clients(config Config, transport http.RoundTripper, keys *extract.Keyring) ([]client, error) {
	clients := make([]client, 0, len(config.Accounts))
	for _, account := range config.Accounts {
		definition := a.catalog[account.Provider]
		if account.BaseURL == "" {
			if err := checkBaseURL(definition.BaseURL); err != nil {
				return nil, &schema.Error{Class: schema.ClassConfiguration, Op: "base_url of the definition " + definition.Name, Err: err}
			}
		}
		extracted := extract.Account{
			Name: account.Name, Definition: definition, BaseURL: account.BaseURL,
			Credentials: account.Credentials, Windows: account.RateLimits, Keyring: keys,
		}
		made, err := extract.NewClient(extracted, transport, a.log)
		if err != nil {
			return nil, err
		}
		c := client{Client: made, resources: definition.Lists()}
		if len(account.Resources) > 0 {
			c.resources = account.Resources
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// transport connects to the partners of the accounts.
func (a *app) transport(config Config) *http.Transport {
	return extract.NewTransport(a.privateHosts(config)...)
}

// privateHosts returns the hosts that may be in a private network, because their accounts say so.
func (a *app) privateHosts(config Config) []string {
	var private []string
	for _, account := range config.Accounts {
		base := account.BaseURL
		if definition := a.catalog[account.Provider]; base == "" && definition != nil {
			base = definition.BaseURL
		}
		if address, err := url.Parse(base); account.Private && err == nil {
			private = append(private, address.Hostname())
		}
	}
	return private
}

// needsKeyStore reports whether requests may only be made with what processes before have left of their key.
func needsKeyStore(definition *extract.Definition) bool {
	return definition.Signing.Nonce == extract.NonceRising
}

// client is an account with the resources that are read from it.
type client struct {
	*extract.Client
	resources []schema.Resource
}

func (c client) account() sync.Account {
	account := sync.Account{
		Source: c.Client, Place: c.Place(),
		Whole: len(c.resources) == len(c.Account().Definition.Lists()),
	}
	for _, resource := range c.resources {
		account.Streams = append(account.Streams, c.Account().Stream(resource))
	}
	return account
}

// selected keeps the accounts and resources that the flags name; empty flags keep all.
func selected(command string, clients []client, accounts, resources []string) ([]client, error) {
	var kept []client
	for _, name := range accounts {
		if !slices.ContainsFunc(clients, func(c client) bool { return c.Account().Name == name }) {
			return nil, usageError{command, fmt.Errorf("--account %s: TIEOUT_ACCOUNTS lists no such account", name)}
		}
	}
	for _, name := range resources {
		if _, err := schema.ParseResource(name); err != nil {
			return nil, usageError{command, fmt.Errorf("--resource: %w", err)}
		}
	}
	for _, c := range clients {
		if len(accounts) > 0 && !slices.Contains(accounts, c.Account().Name) {
			continue
		}
		if len(resources) > 0 {
			c.resources = slices.DeleteFunc(slices.Clone(c.resources), func(r schema.Resource) bool { return !slices.Contains(resources, string(r)) })
		}
		kept = append(kept, c)
	}
	return kept, nil
}

// catalogFacts tells the configuration what the definitions ask of an account.
type catalogFacts struct{ catalog extract.Catalog }

// Provider implements providerFacts.
func (f catalogFacts) Provider(name string) (providerNeeds, bool) {
	definition := f.catalog[name]
	if definition == nil {
		return providerNeeds{}, false
	}
	return providerNeeds{
		Credentials: definition.Needs(), HasBaseURL: definition.BaseURL != "", Resources: definition.Lists(),
	}, true
}

// Names implements providerFacts.
func (f catalogFacts) Names() []string { return slices.Sorted(maps.Keys(f.catalog)) }
