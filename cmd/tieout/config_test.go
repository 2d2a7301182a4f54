package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tieout/extract"
	"tieout/schema"
)

// testFacts are definitions by name; they stand for the built-in ones.
type testFacts map[string]providerNeeds

func (f testFacts) Provider(name string) (providerNeeds, bool) {
	needs, ok := f[name]
	return needs, ok
}

func (f testFacts) Names() []string { return slices.Sorted(maps.Keys(f)) }

var definitionsForTest = testFacts{
	"coinut": {[]string{"api_key", "api_secret"}, true, []schema.Resource{schema.Deposits, schema.Trades}},
	"kuna":   {[]string{"api_key", "api_secret", "email"}, false, schema.Resources()},
}

func sourceForTest(string) (providerFacts, error) { return definitionsForTest, nil }

// testFiles are readable files by path.
type testFiles map[string]string

func (f testFiles) read(path string) ([]byte, error) {
	if text, ok := f[path]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
}

// problemsOf returns the lines that an operator would see, and fails the test on any other kind of error.
func problemsOf(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	problems, ok := errors.AsType[configProblems](err)
	if !ok || schema.ClassOf(err) != schema.ClassConfiguration {
		t.Fatalf("error %v of class %v, want configProblems of class configuration", err, schema.ClassOf(err))
	}
	return linesOf(problems)
}

func linesOf(problems configProblems) []string {
	var lines []string
	for _, problem := range problems {
		lines = append(lines, problem.String())
	}
	return lines
}

// coinutMain is a complete account.
var coinutMain = []string{
	"TIEOUT_ACCOUNTS=coinut_main",
	"TIEOUT_COINUT_MAIN_PROVIDER=coinut",
	"TIEOUT_COINUT_MAIN_API_KEY=key",
	"TIEOUT_COINUT_MAIN_API_SECRET=secret",
}

func TestLoadConfigReadsEverything(t *testing.T) {
	environ := append(slices.Clone(coinutMain),
		"TIEOUT_ACCOUNTS=coinut_main , kuna",
		"PATH=/bin", "=C:=C:\\", "TIEOUT_TEST_CLICKHOUSE_DSN=anything",
		"TIEOUT_CLICKHOUSE_DSN=clickhouse://user:password@host:9000/tieout?secure=true",
		"TIEOUT_LIBCHDB=/usr/lib/libchdb.so",
		"TIEOUT_COINUT_MAIN_RATE_LIMITS=100/1m,1000/1h",
		"TIEOUT_COINUT_MAIN_RESOURCES=trades, deposits",
		"TIEOUT_KUNA_BASE_URL=http://127.0.0.1:8080/kuna",
		"TIEOUT_KUNA_API_KEY_FILE=/run/secrets/kuna_key",
		"TIEOUT_KUNA_API_SECRET_FILE=/run/secrets/kuna_secret",
		"TIEOUT_KUNA_EMAIL=finance@example.com",
		"TIEOUT_KUNA_PRIVATE_NETWORK=true",
		"TIEOUT_PROVIDERS_DIR=definitions", "TIEOUT_FULL_PASS_EVERY=36h", "TIEOUT_LOOKBACK=90m",
		"TIEOUT_SCHEDULE=15 4 * * *",
		"TIEOUT_TIMEZONE=Europe/Berlin",
		"TIEOUT_LOG_LEVEL=DEBUG",
		"TIEOUT_LOG_FORMAT=json",
	)[1:]
	files := testFiles{"/run/secrets/kuna_key": "kuna key\n", "/run/secrets/kuna_secret": "kuna secret\r\n"}
	var dirs []string
	source := func(dir string) (providerFacts, error) {
		dirs = append(dirs, dir)
		return definitionsForTest, nil
	}
	got, err := loadConfig(environ, needAccounts|needSchedule, source, files.read)
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		ClickHouseDSN:  schema.NewSecret("clickhouse://user:password@host:9000/tieout?secure=true"),
		Library:        "/usr/lib/libchdb.so",
		EmbeddedMemory: 4096 << 20,
		Accounts: []Account{
			{
				Name: "coinut_main", Provider: "coinut",
				Credentials: map[string]schema.Secret{"api_key": schema.NewSecret("key"), "api_secret": schema.NewSecret("secret")},
				RateLimits:  []extract.Window{{Requests: 100, Per: time.Minute}, {Requests: 1000, Per: time.Hour}},
				Resources:   []schema.Resource{schema.Trades, schema.Deposits},
			},
			{
				Name: "kuna", Provider: "kuna", BaseURL: "http://127.0.0.1:8080/kuna", Private: true,
				Credentials: map[string]schema.Secret{
					"api_key": schema.NewSecret("kuna key"), "api_secret": schema.NewSecret("kuna secret"),
					"email": schema.NewSecret("finance@example.com"),
				},
			},
		},
		ProvidersDir:  "definitions",
		FullPassEvery: 36 * time.Hour,
		Lookback:      90 * time.Minute,
		Schedule:      "15 4 * * *",
		Timezone:      berlin,
		LogLevel:      slog.LevelDebug,
		LogFormat:     "json",
	}
	reveal := cmp.Comparer(func(a, b schema.Secret) bool { return a.Reveal() == b.Reveal() })
	zone := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, got, reveal, zone); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !slices.Equal(dirs, []string{"definitions"}) {
		t.Errorf("definitions loaded from %q", dirs)
	}
}

func TestLoadConfigDefaults(t *testing.T) {
	// An empty value is an unset one, and no definitions are needed where no accounts are.
	environ := []string{"TIEOUT_CLICKHOUSE_DSN=", "TIEOUT_TIMEZONE=", "TIEOUT_UNKNOWN=", "TIEOUT_LOG_LEVEL_FILE="}
	source := func(string) (providerFacts, error) { return nil, errors.New("not to be called") }
	got, err := loadConfig(environ, needNothing, source, testFiles{}.read)
	if err != nil || len(got.Warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, got.Warnings)
	}
	if dsn := got.ClickHouseDSN.Reveal(); dsn != "embedded:.tieout/clickhouse" {
		t.Errorf("DSN %s", dsn)
	}
	if got.Timezone != time.UTC || got.LogLevel != slog.LevelInfo || got.LogFormat != "auto" || got.Schedule != "" {
		t.Errorf("got %+v", got)
	}
}

func TestLoadConfigNeeds(t *testing.T) {
	cases := []struct {
		name    string
		environ []string
		needs   configNeeds
		want    []string
	}{
		{"nothing", nil, needNothing, nil},
		{"accounts", nil, needAccounts, []string{"TIEOUT_ACCOUNTS: is missing: at least one account is needed"}},
		{"schedule", nil, needSchedule, []string{
			"TIEOUT_SCHEDULE: is missing: want a cron expression of five fields, like 15 4 * * *",
		}},
		{"an incomplete account is enough without the need", []string{"TIEOUT_ACCOUNTS=kuna"}, needNothing, nil},
		{"an incomplete account", []string{"TIEOUT_ACCOUNTS=kuna", "TIEOUT_KUNA_EMAIL=x"}, needAccounts, []string{
			"TIEOUT_KUNA_API_KEY: is missing: the definition kuna asks for it",
			"TIEOUT_KUNA_API_SECRET: is missing: the definition kuna asks for it",
			"TIEOUT_KUNA_BASE_URL: is missing: the definition kuna has none",
		}},
		{
			"what is malformed is reported without the need",
			[]string{"TIEOUT_ACCOUNTS=kuna", "TIEOUT_KUNA_RATE_LIMITS=often", "TIEOUT_SCHEDULE=never", "TIEOUT_KUNA_PRIVATE_NETWORK=1"},
			needNothing,
			[]string{
				"TIEOUT_KUNA_PRIVATE_NETWORK: must be true or false",
				`TIEOUT_KUNA_RATE_LIMITS: rate limit 1 of the list: want a count of requests and a duration, like "100/1m"`,
				"TIEOUT_SCHEDULE: is no cron expression of five fields: minute (0-59), hour (0-23), day of month (1-31), " +
					"month (1-12), day of week (0-6, Sunday is 0)",
			},
		},
		{"a complete account", coinutMain, needAccounts, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadConfig(c.environ, c.needs, sourceForTest, testFiles{}.read)
			if diff := cmp.Diff(c.want, problemsOf(t, err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLoadConfigReportsAllTogether(t *testing.T) {
	environ := []string{
		"TIEOUT_ACCOUNTS=kuna,coinut-main,Kuna,log,kuna,,lost,kuna", // kuna three times is one problem
		"TIEOUT_CLICKHOUSE_CLUSTER={main}",
		"TIEOUT_CLICKHOUSE_DSN=mysql://root@host/db",
		"TIEOUT_KUNA_API_SECRTE=secret",
		"TIEOUT_KUNA_BASE_URL=http://api.kuna.io",
		"TIEOUT_KUNA_EMAIL_FILE=/run/secrets/email",
		"TIEOUT_KUNA_API_KEY=key", "TIEOUT_KUNA_API_KEY_FILE=/run/secrets/key",
		"TIEOUT_KUNA_RESOURCES=deposits,refunds,deposits",
		"TIEOUT_LOG_LEVEL=loud", "TIEOUT_LOG_FORMAT=xml", "TIEOUT_TIMEZONE=Mars/Olympus",
		"TIEOUT_SCHEDULE=0 0 31 2 *",
		"TIEOUT_COINUT_API_KEY=key",
	}
	first, err := loadConfig(environ, needAccounts, sourceForTest, testFiles{}.read)
	want := []string{
		"TIEOUT_ACCOUNTS: cannot list an account log: its variables would look like our own TIEOUT_LOG_LEVEL…",
		"TIEOUT_ACCOUNTS: lists kuna and Kuna, whose variables would have the same names",
		"TIEOUT_ACCOUNTS: lists kuna twice",
		"TIEOUT_ACCOUNTS: name 2 of the list must be 1 to 64 letters, digits and _",
		"TIEOUT_ACCOUNTS: name 6 of the list must be 1 to 64 letters, digits and _",
		"TIEOUT_CLICKHOUSE_CLUSTER: is no name of a cluster: want letters, digits, _, - and ., as in system.clusters",
		"TIEOUT_CLICKHOUSE_DSN: its scheme is unknown: want clickhouse://user:password@host:9000/database?secure=true, " +
			"http(s)://user:password@host:8123/database or embedded:PATH",
		"TIEOUT_KUNA_API_KEY: is set, and TIEOUT_KUNA_API_KEY_FILE too: set one of them",
		"TIEOUT_KUNA_API_SECRET: is missing: the definition kuna asks for it",
		"TIEOUT_KUNA_BASE_URL: must be https: over http the credentials would travel in the clear (http is allowed for " +
			"this machine only: localhost, 127.0.0.0/8, ::1)",
		"TIEOUT_KUNA_EMAIL_FILE: names /run/secrets/email, which cannot be read: no such file or directory",
		"TIEOUT_KUNA_RESOURCES: item 2 of the list must be deposits, trades, payments or balances",
		"TIEOUT_KUNA_RESOURCES: lists deposits twice",
		"TIEOUT_LOG_FORMAT: must be auto, text or json",
		"TIEOUT_LOG_LEVEL: must be debug, info, warn or error",
		"TIEOUT_LOST_PROVIDER: is missing, and no definition is called lost: want coinut, kuna",
		"TIEOUT_SCHEDULE: never comes: there is no such day",
		"TIEOUT_TIMEZONE: is no zone of the IANA database: want a name like UTC or Europe/Berlin",
	}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("problems (-want +got)\n%s", diff)
	}
	wantWarnings := []string{
		"TIEOUT_COINUT_API_KEY: is read by nothing: TIEOUT_ACCOUNTS lists no account coinut",
		"TIEOUT_KUNA_API_SECRTE: is read by nothing: probably a typing error; did you mean TIEOUT_KUNA_API_SECRET?",
	}
	if diff := cmp.Diff(wantWarnings, linesOf(first.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	if len(first.Accounts) > 0 || !first.ClickHouseDSN.IsZero() {
		t.Errorf("an unusable configuration was returned: %+v", first)
	}
	if text := err.Error(); !strings.HasPrefix(text, "read the configuration: 18 problems\n  TIEOUT_ACCOUNTS: cannot") {
		t.Errorf("the error reads %s", text)
	}
	for range 20 { // map order must not show
		again, err := loadConfig(environ, needAccounts, sourceForTest, testFiles{}.read)
		if !slices.Equal(problemsOf(t, err), want) || !slices.Equal(again.Warnings, first.Warnings) {
			t.Fatal("the same environment gave another list")
		}
	}
}

// A run that cannot start must still be able to say so in the format that was asked for.
func TestLoadConfigKeepsLogSettingsBesideAnError(t *testing.T) {
	environ := []string{"TIEOUT_LOG_FORMAT=json", "TIEOUT_LOG_LEVEL=warn", "TIEOUT_TIMEZONE=nowhere"}
	got, err := loadConfig(environ, needNothing, sourceForTest, testFiles{}.read)
	if err == nil || got.LogFormat != "json" || got.LogLevel != slog.LevelWarn {
		t.Errorf("error %v, got %+v", err, got)
	}
}

func TestLoadConfigDefinitions(t *testing.T) {
	broken := func(string) (providerFacts, error) {
		return nil, errors.Join(errors.New("a.yaml: no id"), errors.New("b.yaml: no path"))
	}
	_, err := loadConfig(coinutMain, needAccounts, broken, testFiles{}.read)
	want := []string{
		"TIEOUT_PROVIDERS_DIR: has definitions that cannot be used: a.yaml: no id",
		"TIEOUT_PROVIDERS_DIR: has definitions that cannot be used: b.yaml: no path",
	}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// A folder that is not known is not replaced by the built-in definitions.
	environ := append(slices.Clone(coinutMain), "TIEOUT_PROVIDERS_DIR_FILE=/none")
	_, err = loadConfig(environ, needAccounts, broken, testFiles{}.read)
	want = []string{"TIEOUT_PROVIDERS_DIR_FILE: names /none, which cannot be read: no such file or directory"}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	environ = []string{
		"TIEOUT_ACCOUNTS=one,two,coinut",
		"TIEOUT_ONE_PROVIDER=coinu",
		"TIEOUT_TWO_PROVIDER=https://not.a/name",
		"TIEOUT_COINUT_API_KEY=key", "TIEOUT_COINUT_API_SECRET=secret", "TIEOUT_COINUT_EMAIL=x",
		"TIEOUT_COINUT_RESOURCES=balances",
	}
	got, err := loadConfig(environ, needAccounts, sourceForTest, testFiles{}.read)
	want = []string{
		"TIEOUT_COINUT_RESOURCES: lists balances, which the definition coinut does not have",
		"TIEOUT_ONE_PROVIDER: there is no definition coinu: want coinut, kuna",
		"TIEOUT_TWO_PROVIDER: there is no such definition: want coinut, kuna",
	}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	wantWarnings := []string{"TIEOUT_COINUT_EMAIL: is not used: the definition coinut does not ask for it"}
	if diff := cmp.Diff(wantWarnings, linesOf(got.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
}
