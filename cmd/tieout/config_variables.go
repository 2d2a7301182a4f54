package main

import (
	"strings"
)

// variablePrefix starts the name of every variable that is ours. testPrefix starts those that only our tests and
// tools read: the command leaves them alone. A value can come from a file by the name with fileSuffix.
const (
	variablePrefix = "TIEOUT_"
	testPrefix     = "TIEOUT_TEST_"
	fileSuffix     = "_FILE"
)

// accountPlaceholder stands in the list for the name of an account, in capital letters.
const accountPlaceholder = "<ACCOUNT>"

// accountPrefix starts the listed name of every variable that each account has.
const accountPrefix = variablePrefix + accountPlaceholder + "_"

// The variables that the code names in a problem.
const (
	variableClickHouseDSN     = "TIEOUT_CLICKHOUSE_DSN"
	variableClickHouseCluster = "TIEOUT_CLICKHOUSE_CLUSTER"
	variableEmbeddedMemory    = "TIEOUT_EMBEDDED_MEMORY_MB"
	variableAccounts          = "TIEOUT_ACCOUNTS"
	variableProvidersDir      = "TIEOUT_PROVIDERS_DIR"
	variableFullPassEvery     = "TIEOUT_FULL_PASS_EVERY"
	variableLookback          = "TIEOUT_LOOKBACK"
	variableSchedule          = "TIEOUT_SCHEDULE"
	variableTimezone          = "TIEOUT_TIMEZONE"
	variableLogLevel          = "TIEOUT_LOG_LEVEL"
	variableLogFormat         = "TIEOUT_LOG_FORMAT"
)

// variable is one line of the documentation, and the one source of a default: commonSettings and accountSettings
// carry only the names, and a test ties them to this list.
type variable struct {
	Name    string // with accountPlaceholder where an account's name goes
	Default string // what an unset variable means; of an account's variable in words
	Meaning string // plain text, no full stop
}

// variables lists what the command reads, in the order in which people meet it.
var variables = []variable{
	{
		variableClickHouseDSN, "embedded:.tieout/clickhouse",
		"where the tables are: clickhouse://user:password@host:9000/tieout?secure=true, http(s)://…, or " +
			"embedded:PATH for ClickHouse inside this process",
	},
	{
		variableClickHouseCluster, "",
		"name of a self-run cluster in the server's system.clusters: the tables are made on all its nodes, replicated, those " +
			"of records in shards; not for ClickHouse Cloud, which is recognised",
	},
	{"TIEOUT_LIBCHDB", "", "path of libchdb.so, which embedded: needs; unset: where make puts it"},
	{
		variableEmbeddedMemory, "4096",
		"memory in MiB that a statement of embedded: may take, one of which runs at a time; merges in the background come on top",
	},
	{variableAccounts, "", "names of the accounts, for example coinut_main,kuna (letters, digits, _)"},
	{accountPrefix + "PROVIDER", "the account's name", "definition of the partner's API"},
	{
		accountPrefix + "BASE_URL", "the definition's",
		"address of the partner's API: https, or http on this machine only",
	},
	{
		accountPrefix + "PRIVATE_NETWORK", "false",
		"true: the host of the base URL may resolve to an address of a private network, as behind a VPN or a gateway of yours; " +
			"unless it does, such a connection is refused",
	},
	{accountPrefix + "API_KEY", "", "key, if the definition asks for one"},
	{accountPrefix + "API_SECRET", "", "secret that requests are signed with, if the definition asks for one"},
	{accountPrefix + "EMAIL", "", "e-mail address of the account, if the definition asks for one"},
	{
		accountPrefix + "RATE_LIMITS", "the definition's",
		"requests a period that the partner allows, all at once: 100/1m,1000/1h",
	},
	{accountPrefix + "RESOURCES", "all of the definition's", "what to fetch: deposits, trades, payments, balances"},
	{variableProvidersDir, "", "folder of further definitions (*.yaml, *.yml), or of replacements of the built-in ones"},
	{
		variableFullPassEvery, "168h",
		"how long after a pass over a whole list the next one is due, which finds changes of final records and records that left",
	},
	{
		variableLookback, "0s",
		"records made so shortly ago are read again every night even if they are final; pending ones always are, and those of unknown status for 72h",
	},
	{
		variableSchedule, "",
		"cron expression of five fields in TIEOUT_TIMEZONE, checked now and used by later versions; day of month and day of " +
			"week are joined by or, Sunday is 0",
	},
	{variableTimezone, "UTC", "zone of the business day and of the schedule, for example Europe/Berlin"},
	{variableLogLevel, "info", "debug, info, warn or error"},
	{variableLogFormat, logFormatAuto, "text, json or auto: text on a terminal, JSON elsewhere"},
}

// variablesNote says what holds for every variable; it follows the list wherever that is shown.
const variablesNote = "Every variable can be given as NAME_FILE instead, the path of a file that holds the value; " +
	"setting both is an error. An empty value counts as unset."

// variableDefault returns the default of a variable that is not an account's, and whether it has one.
func variableDefault(name string) (string, bool) {
	for _, v := range variables {
		if v.Name == name {
			return v.Default, v.Default != ""
		}
	}
	return "", false
}

// accountSuffixes returns what follows an account's prefix in the names of its variables: PROVIDER, API_KEY and so on.
func accountSuffixes() []string {
	var suffixes []string
	for _, v := range variables {
		if suffix, ok := strings.CutPrefix(v.Name, accountPrefix); ok {
			suffixes = append(suffixes, suffix)
		}
	}
	return suffixes
}

// variablesMarkdown renders the list as the table of the README.
func variablesMarkdown() string {
	var text strings.Builder
	text.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range variables {
		byDefault := v.Default
		if byDefault != "" && !strings.HasPrefix(v.Name, accountPrefix) {
			byDefault = "`" + byDefault + "`"
		}
		meaning := strings.ReplaceAll(v.Meaning, "|", `\|`)
		text.WriteString("| `" + v.Name + "` | " + byDefault + " | " + meaning + " |\n")
	}
	text.WriteString("\n" + variablesNote + "\n")
	return text.String()
}

// variablesHelp renders the list as plain text for --help: a name, and beneath it what it means.
func variablesHelp() string {
	var text strings.Builder
	for _, v := range variables {
		text.WriteString("  " + v.Name + "\n")
		meaning := v.Meaning
		if v.Default != "" {
			meaning += " (default: " + v.Default + ")"
		}
		writeWrapped(&text, "      ", meaning)
	}
	text.WriteString("\n")
	writeWrapped(&text, "  ", variablesNote)
	return text.String()
}

// helpColumns is how wide a line of the plain help may be.
const helpColumns = 80

// writeWrapped writes words in lines of at most helpColumns, each with the indent; a longer word gets its own line.
func writeWrapped(text *strings.Builder, indent, words string) {
	column := 0
	for word := range strings.FieldsSeq(words) {
		width := len([]rune(word))
		switch {
		case column == 0:
			text.WriteString(indent)
			column = len(indent)
		case column+1+width > helpColumns:
			text.WriteString("\n" + indent)
			column = len(indent)
		default:
			text.WriteString(" ")
			column++
		}
		text.WriteString(word)
		column += width
	}
	text.WriteString("\n")
}
