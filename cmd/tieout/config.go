package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sethvargo/go-envconfig"

	"tieout/extract"
	"tieout/schema"
)

// Config is what the environment says, checked. Every secret in it is a schema.Secret, so it can be formatted and
// logged as a whole.
type Config struct {
	ClickHouseDSN  schema.Secret  // a DSN of clickhouse-go, or embedded:PATH
	Cluster        string         // name of a self-run cluster that the tables lie on; empty: none
	Library        string         // path of libchdb.so; empty: the usual places
	EmbeddedMemory uint64         // bytes that a statement of the embedded ClickHouse may take
	Accounts       []Account      // in the order of TIEOUT_ACCOUNTS
	ProvidersDir   string         // folder of further definitions; empty: the built-in ones only
	FullPassEvery  time.Duration  // between two passes over a whole list
	Lookback       time.Duration  // age up to which final records are read again every night
	Schedule       string         // cron expression for parseSchedule, in Timezone; empty if unset
	Timezone       *time.Location // never nil after loadConfig succeeded
	LogLevel       slog.Level
	LogFormat      string         // logFormatAuto, logFormatText or logFormatJSON
	Warnings       configProblems // what is probably a mistake but stops nothing
}

// Account is one set of credentials at one partner.
type Account struct {
	Name        string                   // as written in TIEOUT_ACCOUNTS
	Provider    string                   // name of the definition
	BaseURL     string                   // empty: the definition's
	Private     bool                     // the host may be in a private network
	Credentials map[string]schema.Secret // by the definition's names: api_key, api_secret, email; only those given
	RateLimits  []extract.Window         // empty: the definition's
	Resources   []schema.Resource        // empty: all of the definition's
}

// configNeeds says which parts of the configuration a command cannot do without. A part that is not needed may be
// missing; what is malformed is reported to every command, because it will hurt the next one.
type configNeeds uint8

// The needs; several are joined by |. ClickHouse is not among them, as its address has a default.
const (
	needNothing  configNeeds = 0
	needAccounts configNeeds = 1 << iota // accounts with all that their definitions ask for
	needSchedule                         // TIEOUT_SCHEDULE
)

// providerFacts says what the definitions ask of an account.
type providerFacts interface {
	// Provider returns the needs of one definition; ok is false if there is none of that name.
	Provider(name string) (needs providerNeeds, ok bool)
	// Names returns the names of all definitions, sorted.
	Names() []string
}

// providerNeeds is what one definition asks of an account.
type providerNeeds struct {
	Credentials []string          // of api_key, api_secret, email
	HasBaseURL  bool              // whether there is an address without TIEOUT_<ACCOUNT>_BASE_URL
	Resources   []schema.Resource // what the partner lists
}

// providerSource loads the built-in definitions and those of a folder, if dir is not empty. The text of its error
// names files and what is wrong with them; it may have several lines.
type providerSource func(dir string) (providerFacts, error)

// commonSettings is what the environment says apart from the accounts, unparsed. Everything is a text: the
// defaults are those of the list variables, and each value is parsed by us so that a problem names the variable
// and not the value.
type commonSettings struct {
	ClickHouseDSN     settingSecret `env:"TIEOUT_CLICKHOUSE_DSN"`
	ClickHouseCluster string        `env:"TIEOUT_CLICKHOUSE_CLUSTER"`
	Library           string        `env:"TIEOUT_LIBCHDB"`
	EmbeddedMemory    string        `env:"TIEOUT_EMBEDDED_MEMORY_MB"`
	Accounts          string        `env:"TIEOUT_ACCOUNTS"`
	ProvidersDir      string        `env:"TIEOUT_PROVIDERS_DIR"`
	FullPassEvery     string        `env:"TIEOUT_FULL_PASS_EVERY"`
	Lookback          string        `env:"TIEOUT_LOOKBACK"`
	Schedule          string        `env:"TIEOUT_SCHEDULE"`
	Timezone          string        `env:"TIEOUT_TIMEZONE"`
	LogLevel          string        `env:"TIEOUT_LOG_LEVEL"`
	LogFormat         string        `env:"TIEOUT_LOG_FORMAT"`
}

// configReader reads one environment and collects what is wrong with it.
type configReader struct {
	lookuper *settingLookuper
	warnings configProblems
}

// loadConfig reads the configuration from an environment, given as os.Environ returns it. The result depends on
// nothing else but what readFile and source return; the command passes readSettingFile.
//
// All problems come back together: a *schema.Error of schema.ClassConfiguration around configProblems. The Config
// beside an error holds what it takes to report it, Warnings, LogLevel and LogFormat, and nothing else: a
// misspelt name is often the reason why a variable is missing.
func loadConfig(
	environ []string, needs configNeeds, source providerSource, readFile func(path string) ([]byte, error),
) (Config, error) {
	r := &configReader{lookuper: newSettingLookuper(environ, readFile)}
	config, err := r.config(needs, source)
	r.warnUnread()
	config.Warnings = r.warnings.sorted()
	if err == nil && len(r.lookuper.problems) > 0 {
		err = &schema.Error{
			Class: schema.ClassConfiguration,
			Op:    "read the configuration",
			Err:   r.lookuper.problems.sorted(),
		}
	}
	if err != nil {
		return Config{Warnings: config.Warnings, LogLevel: config.LogLevel, LogFormat: config.LogFormat}, err
	}
	return config, nil
}

// config reads everything. Its error is a fault of ours, in the tags of the settings: what is wrong with the
// environment goes to the problems.
func (r *configReader) config(needs configNeeds, source providerSource) (Config, error) {
	var settings commonSettings
	err := envconfig.ProcessWith(context.Background(), &envconfig.Config{Target: &settings, Lookuper: r.lookuper})
	if err != nil {
		return Config{}, fmt.Errorf("read the common settings: %w", err)
	}
	config := r.common(settings)
	for _, name := range r.accountNames(settings.Accounts) {
		account, err := r.account(name)
		if err != nil {
			return Config{}, fmt.Errorf("read the settings of account %s: %w", name, err)
		}
		config.Accounts = append(config.Accounts, account)
	}
	if needs&needAccounts != 0 {
		if settings.Accounts == "" {
			r.missing(variableAccounts, "at least one account is needed")
		}
		r.checkProviders(config.ProvidersDir, config.Accounts, source)
	}
	if needs&needSchedule != 0 && settings.Schedule == "" {
		r.missing(variableSchedule, "want a cron expression of five fields, like 15 4 * * *")
	}
	return config, nil
}

// common parses all but the accounts.
func (r *configReader) common(settings commonSettings) Config {
	config := Config{
		ClickHouseDSN: settings.ClickHouseDSN.Secret,
		Library:       settings.Library,
		ProvidersDir:  settings.ProvidersDir,
		Schedule:      settings.Schedule,
		LogFormat:     logFormatAuto,
	}
	if settings.ClickHouseCluster != "" {
		config.Cluster = settings.ClickHouseCluster
		r.check(variableClickHouseCluster, checkCluster(config.Cluster))
	}
	if !config.ClickHouseDSN.IsZero() {
		r.check(variableClickHouseDSN, checkClickHouseDSN(config.ClickHouseDSN.Reveal()))
	}
	if settings.Schedule != "" {
		_, err := parseSchedule(settings.Schedule)
		r.check(variableSchedule, err)
	}
	// An empty text here means a problem that is noted already: these have a default.
	var err error
	if settings.EmbeddedMemory != "" {
		config.EmbeddedMemory, err = parseMebibytes(settings.EmbeddedMemory)
		r.check(variableEmbeddedMemory, err)
	}
	if settings.FullPassEvery != "" {
		config.FullPassEvery, err = parseSpan(settings.FullPassEvery, time.Hour)
		r.check(variableFullPassEvery, err)
	}
	if settings.Lookback != "" {
		config.Lookback, err = parseSpan(settings.Lookback, 0)
		r.check(variableLookback, err)
	}
	if settings.Timezone != "" {
		config.Timezone, err = parseTimezone(settings.Timezone)
		r.check(variableTimezone, err)
	}
	if settings.LogLevel != "" {
		config.LogLevel, err = parseLogLevel(settings.LogLevel)
		r.check(variableLogLevel, err)
	}
	if settings.LogFormat != "" {
		config.LogFormat, err = parseLogFormat(settings.LogFormat)
		r.check(variableLogFormat, err)
	}
	return config
}

// problem notes that a variable is wrong.
func (r *configReader) problem(variable, format string, args ...any) {
	r.lookuper.problems.add(variable, format, args...)
}

// check notes an error of a parser, whose text never repeats the value.
func (r *configReader) check(variable string, err error) {
	if err != nil {
		r.problem(variable, "%v", err)
	}
}

// missing notes that a variable is needed and not set, unless it is set and its problem is noted already.
func (r *configReader) missing(variable, reason string) {
	if !r.lookuper.failed[variable] {
		r.problem(variable, "is missing: %s", reason)
	}
}
