package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"tieout/extract"
	"tieout/schema"
)

// The names of the credentials, in a definition and in Account.Credentials. The variable's name is the same in
// capital letters.
const (
	credentialAPIKey    = "api_key"
	credentialAPISecret = "api_secret"
	credentialEmail     = "email"
)

// accountSettings is what the environment says of one account, unparsed; the names follow the account's prefix.
type accountSettings struct {
	Provider   string        `env:"PROVIDER"`
	BaseURL    string        `env:"BASE_URL"`
	Private    string        `env:"PRIVATE_NETWORK"`
	APIKey     settingSecret `env:"API_KEY"`
	APISecret  settingSecret `env:"API_SECRET"`
	Email      settingSecret `env:"EMAIL"`
	RateLimits string        `env:"RATE_LIMITS"`
	Resources  string        `env:"RESOURCES"`
}

// settingSecret lets envconfig fill a schema.Secret. Its decoder never fails: envconfig repeats the value in the
// error of one that does.
type settingSecret struct{ schema.Secret }

// EnvDecode implements envconfig.Decoder.
func (s *settingSecret) EnvDecode(text string) error { //nolint:unparam // the library wants an error
	s.Secret = schema.NewSecret(text)
	return nil
}

// accountVariable returns the name of an account's variable: TIEOUT_KUNA_API_KEY.
func accountVariable(account, suffix string) string {
	return variablePrefix + strings.ToUpper(account) + "_" + suffix
}

// accountNameLengthMax bounds the name of an account: it stands in every row and in every log line.
const accountNameLengthMax = 64

// accountNames returns the usable names of TIEOUT_ACCOUNTS in the order given, and notes what is wrong with the
// others.
func (r *configReader) accountNames(list string) []string {
	if list == "" {
		return nil
	}
	var names []string
	taken := map[string]string{} // the name in capital letters, which the variables carry: the name as written
	for position, name := range splitList(list) {
		upper := strings.ToUpper(name)
		switch other, isTaken := taken[upper]; {
		case !isAccountName(name):
			// Not shown: a text that is no name could be anything.
			r.problem(variableAccounts, "name %d of the list must be 1 to %d letters, digits and _", position+1,
				accountNameLengthMax)
		case isTaken && other == name:
			r.problem(variableAccounts, "lists %s twice", name)
		case isTaken:
			r.problem(variableAccounts, "lists %s and %s, whose variables would have the same names", other, name)
		case reservedBy(name) != "":
			r.problem(variableAccounts, "cannot list an account %s: its variables would look like our own %s…",
				name, reservedBy(name))
		default:
			taken[upper] = name
			names = append(names, name)
		}
	}
	return names
}

// isAccountName reports whether a text can stand in the name of a variable.
func isAccountName(text string) bool {
	notAllowed := func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}
	return text != "" && len(text) <= accountNameLengthMax && !strings.ContainsFunc(text, notAllowed)
}

// reservedBy returns the variable or the prefix of ours that an account's variables could be mistaken for, or
// nothing. Account log is refused though it has no LEVEL: a person who reads TIEOUT_LOG_PROVIDER would not guess
// what it is, and the next version may read it.
//
// Two accounts need no such check: kuna and kuna_api share TIEOUT_KUNA_API_, but no suffix ends with another one
// after a _, so no full name belongs to both. A test holds the list of suffixes to that.
func reservedBy(account string) string {
	prefix := accountVariable(account, "")
	if strings.HasPrefix(prefix, testPrefix) {
		return testPrefix
	}
	for _, v := range variables {
		if !strings.HasPrefix(v.Name, accountPrefix) && strings.HasPrefix(v.Name+fileSuffix, prefix) {
			return v.Name
		}
	}
	return ""
}

// account reads the variables of one account. What its definition asks for is checked by checkProvider.
func (r *configReader) account(name string) (Account, error) {
	var settings accountSettings
	err := envconfig.ProcessWith(context.Background(), &envconfig.Config{
		Target:   &settings,
		Lookuper: envconfig.PrefixLookuper(accountVariable(name, ""), r.lookuper),
	})
	if err != nil {
		return Account{}, err
	}
	account := Account{
		Name:        name,
		Provider:    cmp.Or(settings.Provider, name),
		BaseURL:     settings.BaseURL,
		Credentials: map[string]schema.Secret{},
		Resources:   r.resources(accountVariable(name, "RESOURCES"), settings.Resources),
	}
	for credential, setting := range map[string]settingSecret{
		credentialAPIKey:    settings.APIKey,
		credentialAPISecret: settings.APISecret,
		credentialEmail:     settings.Email,
	} {
		if !setting.IsZero() {
			account.Credentials[credential] = setting.Secret
		}
	}
	if settings.BaseURL != "" {
		if err := checkBaseURL(settings.BaseURL); err != nil {
			r.problem(accountVariable(name, "BASE_URL"), "%v", err)
		}
	}
	if account.Private, err = parseTruth(settings.Private); err != nil {
		r.problem(accountVariable(name, "PRIVATE_NETWORK"), "%v", err)
	}
	if settings.RateLimits != "" {
		if account.RateLimits, err = extract.ParseWindows(settings.RateLimits); err != nil {
			r.problem(accountVariable(name, "RATE_LIMITS"), "%v", err)
		}
	}
	return account, nil
}

// resources reads a comma list of resources.
func (r *configReader) resources(variable, list string) []schema.Resource {
	if list == "" {
		return nil
	}
	var resources []schema.Resource
	for position, name := range splitList(list) {
		resource, err := schema.ParseResource(name)
		switch {
		case err != nil: // its text repeats the name
			r.problem(variable, "item %d of the list must be deposits, trades, payments or balances", position+1)
		case slices.Contains(resources, resource):
			r.problem(variable, "lists %s twice", resource)
		default:
			resources = append(resources, resource)
		}
	}
	return resources
}

// checkProviders loads the definitions and holds every account against its own.
func (r *configReader) checkProviders(dir string, accounts []Account, source providerSource) {
	if r.lookuper.failed[variableProvidersDir] {
		return
	}
	facts, err := source(dir)
	if err != nil {
		for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
			r.problem(variableProvidersDir, "has definitions that cannot be used: %s", strings.TrimSpace(line))
		}
		return
	}
	for _, account := range accounts {
		r.checkProvider(account, facts)
	}
}

// checkProvider notes what an account's definition asks for and the environment does not give.
func (r *configReader) checkProvider(account Account, facts providerFacts) {
	variable := accountVariable(account.Name, "PROVIDER")
	needs, ok := facts.Provider(account.Provider)
	if !ok {
		if !r.lookuper.failed[variable] {
			r.problem(variable, "%s: want %s", r.unknownProvider(account), strings.Join(facts.Names(), ", "))
		}
		return
	}
	if account.BaseURL == "" && !needs.HasBaseURL {
		r.missing(accountVariable(account.Name, "BASE_URL"), "the definition "+account.Provider+" has none")
	}
	for _, credential := range needs.Credentials {
		if account.Credentials[credential].IsZero() {
			r.missing(accountVariable(account.Name, strings.ToUpper(credential)),
				"the definition "+account.Provider+" asks for it")
		}
	}
	for credential := range account.Credentials {
		if !slices.Contains(needs.Credentials, credential) {
			r.warnings.add(accountVariable(account.Name, strings.ToUpper(credential)),
				"is not used: the definition %s does not ask for it", account.Provider)
		}
	}
	for _, resource := range account.Resources {
		if !slices.Contains(needs.Resources, resource) {
			r.problem(accountVariable(account.Name, "RESOURCES"), "lists %s, which the definition %s does not have",
				resource, account.Provider)
		}
	}
}

// unknownProvider says which definition there is not. A text that cannot be a name is not shown.
func (r *configReader) unknownProvider(account Account) string {
	switch {
	case !r.lookuper.isSet(accountVariable(account.Name, "PROVIDER")):
		return "is missing, and no definition is called " + account.Name
	case isAccountName(strings.ReplaceAll(account.Provider, "-", "_")):
		return "there is no definition " + account.Provider
	}
	return "there is no such definition"
}

// splitList splits a comma list. Empty items stay: they are a fault of the list, and the caller says so.
func splitList(list string) []string {
	items := strings.Split(list, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
	}
	return items
}
