package main

import (
	"slices"
	"strings"
	"testing"

	"tieout/extract"
)

// The full names of two accounts' variables can only coincide if a suffix ends with another suffix after a _, and
// no check at run time looks for that.
func TestNoTwoAccountsShareAVariable(t *testing.T) {
	var suffixes []string
	for _, suffix := range accountSuffixes() {
		suffixes = append(suffixes, suffix, suffix+fileSuffix)
	}
	for _, long := range suffixes {
		for _, short := range suffixes {
			if strings.HasSuffix(long, "_"+short) {
				t.Errorf("%s of account a is %s of account a_%s", long, short, strings.TrimSuffix(long, "_"+short))
			}
		}
	}
	seen := map[string]bool{}
	for _, suffix := range suffixes {
		if seen[suffix] {
			t.Errorf("%s has two meanings", suffix)
		}
		seen[suffix] = true
	}
}

// TestPrivateHosts are those of the accounts that say so, whether the address is the account's or the definition's.
func TestPrivateHosts(t *testing.T) {
	a := &app{catalog: extract.Catalog{"coinut": {BaseURL: "https://ramp.example/v1"}, "other": {BaseURL: "https://other.example"}}}
	hosts := a.privateHosts(Config{Accounts: []Account{
		{Name: "one", Provider: "coinut", Private: true},
		{Name: "two", Provider: "coinut", Private: true, BaseURL: "https://gateway.internal:8443/coinut"},
		{Name: "three", Provider: "other"},
		{Name: "four", Provider: "other", BaseURL: "https://10.0.0.1"},
	}})
	if want := []string{"ramp.example", "gateway.internal"}; !slices.Equal(hosts, want) {
		t.Errorf("%v, want %v", hosts, want)
	}
}

func TestAccountsWhoseNamesOverlap(t *testing.T) {
	environ := []string{
		"TIEOUT_ACCOUNTS=kuna,kuna_api,kuna_api_key,a,A_",
		"TIEOUT_KUNA_API_KEY=1", "TIEOUT_KUNA_API_API_KEY=2", "TIEOUT_KUNA_API_KEY_API_KEY=3",
		"TIEOUT_KUNA_API_EMAIL=4", "TIEOUT_A_EMAIL=5", "TIEOUT_A__EMAIL=6",
	}
	config, err := loadConfig(environ, needNothing, sourceForTest, testFiles{}.read)
	if err != nil || len(config.Warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, config.Warnings)
	}
	var got []string
	for _, account := range config.Accounts {
		got = append(got, account.Name+" "+account.Credentials["api_key"].Reveal()+account.Credentials["email"].Reveal())
	}
	want := "kuna 1, kuna_api 24, kuna_api_key 3, a 5, A_ 6"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestAccountNames(t *testing.T) {
	cases := []struct{ name, want string }{
		{"clickhouse", "cannot list an account clickhouse"},
		{"CLICKHOUSE", "cannot list an account CLICKHOUSE"},
		{"log", "cannot list an account log"},
		{"providers", "cannot list an account providers"},
		{"accounts", "cannot list an account accounts"}, // TIEOUT_ACCOUNTS_FILE
		{"schedule", "cannot list an account schedule"},
		{"timezone", "cannot list an account timezone"},
		{"test", "cannot list an account test"},
		{"test_kuna", "cannot list an account test_kuna"},
		{"kuna.io", "name 1 of the list"},
		{"küna", "name 1 of the list"},
		{strings.Repeat("a", 65), "name 1 of the list"},
		{strings.Repeat("a", 64), ""},
		{"clickhouse_partner", ""},
		{"testing", ""},
		{"logs", ""},
		{"1", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadConfig([]string{"TIEOUT_ACCOUNTS=" + c.name}, needNothing, sourceForTest, testFiles{}.read)
			got := problemsOf(t, err)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("refused: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "TIEOUT_ACCOUNTS: "+c.want)):
				t.Errorf("got %q, want %s", got, c.want)
			}
		})
	}
}
