package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// canary is a secret that must not come out anywhere. It is no word that any message of ours contains.
const canary = "zQ7canary7Qz"

// assertNoCanary formats a configuration and its error in every way that a careless line of code might.
func assertNoCanary(t testing.TB, config Config, err error) {
	t.Helper()
	var out bytes.Buffer
	for _, value := range []any{config, &config, config.Accounts, config.Warnings, err} {
		fmt.Fprintf(&out, "%v\n%+v\n%#v\n%s\n%q\n", value, value, value, value, value)
		encoded, jsonErr := json.Marshal(value)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		out.Write(encoded)
		for _, format := range []string{logFormatJSON, logFormatText} {
			newLogger(&out, slog.LevelInfo, format, false).Info("loaded", "value", value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("loaded", "value", value)
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, canary) {
			t.Fatalf("a secret came out: %s", line)
		}
	}
}

// secretVariables are those whose values may never be shown.
var secretVariables = []string{
	"TIEOUT_CLICKHOUSE_DSN", "TIEOUT_KUNA_API_KEY", "TIEOUT_KUNA_API_SECRET", "TIEOUT_KUNA_EMAIL",
}

func TestSecretsNeverComeOut(t *testing.T) {
	// Each is put into every secret variable, as the value, as the content of its file and as the file's name.
	values := []string{
		canary, canary + "\n", " " + canary, "\xff" + canary, canary + "\nsecond line", canary + "%zz",
		"clickhouse://user:" + canary + "@host:9000/tieout",
		"clickhouse://user:" + canary + "%zz@host:9000/tieout",
		"clickhouse://user:" + canary + "@host:port/tieout",
		"clickhouse://user:pass/" + canary + "@host:9000/tieout?dial_timeout=" + canary,
		"mysql://" + canary, "embedded:" + canary,
	}
	for _, value := range values {
		for _, way := range []string{"value", "file", "path", "both"} {
			environ := []string{"TIEOUT_ACCOUNTS=kuna"}
			files := testFiles{"/secret": value}
			for _, name := range secretVariables {
				switch way {
				case "value":
					environ = append(environ, name+"="+value)
				case "file":
					environ = append(environ, name+"_FILE=/secret")
				case "path":
					environ = append(environ, name+"_FILE="+value)
				case "both":
					environ = append(environ, name+"="+value, name+"_FILE=/secret")
				}
			}
			for _, needs := range []configNeeds{needNothing, needAccounts, needAccounts | needSchedule} {
				config, err := loadConfig(environ, needs, sourceForTest, files.read)
				assertNoCanary(t, config, err)
			}
		}
	}
}

// A secret also lands in the wrong variable now and then. Only names are shown, of accounts, of providers and of
// variables, and only if they can be names.
func TestMisplacedSecretsNeverComeOut(t *testing.T) {
	for _, v := range variables {
		name := strings.Replace(v.Name, accountPlaceholder, "KUNA", 1)
		for _, value := range []string{
			canary + "==", canary + "+/", "https://user:" + canary + "@host", "http://" + canary, "100/" + canary,
			"deposits," + canary + "=", canary + " * * * *",
		} {
			environ := []string{name + "=" + value}
			if name != variableAccounts {
				environ = append(environ, "TIEOUT_ACCOUNTS=kuna")
			}
			config, err := loadConfig(environ, needAccounts, sourceForTest, testFiles{}.read)
			if err == nil {
				t.Fatal("an account without credentials was accepted")
			}
			assertNoCanary(t, config, err)
		}
	}
}

// FuzzLoadConfig reads environments of NUL-separated entries; every second one is put into a file. The values of
// secret variables get the canary, whatever else they hold.
func FuzzLoadConfig(f *testing.F) {
	f.Add("TIEOUT_ACCOUNTS=kuna\x00TIEOUT_KUNA_API_KEY=k\x00TIEOUT_KUNA_API_SECRTE=s\x00TIEOUT_CLICKHOUSE_DSN=embedded:x", byte(2))
	f.Add("TIEOUT_ACCOUNTS=a,A,log,,b-c\x00TIEOUT_A_BASE_URL=http://[::1]:8080\x00TIEOUT_A_RATE_LIMITS=100/1m", byte(6))
	f.Add("TIEOUT_SCHEDULE=TZ=UTC\x00TIEOUT_TIMEZONE=Local\x00TIEOUT_SCHEDULE_FILE=/f", byte(4))
	f.Add("TIEOUT_SCHEDULE=*/5 0-6 1,15 jan-jun ?\x00TIEOUT_TIMEZONE=Asia/Tokyo\x00=\x00TIEOUT_\xff\n=x", byte(0))
	f.Add("TIEOUT_CLICKHOUSE_DSN=clickhouse://u:p@h:9000,i:9000/d?dial_timeout=1s\x00TIEOUT_CLICKHOUSE_CLUSTER=c", byte(0))
	f.Fuzz(func(t *testing.T, text string, needs byte) {
		files := testFiles{}
		environ := strings.Split(text, "\x00")
		for i, entry := range environ {
			name, value, _ := strings.Cut(entry, "=")
			for _, suffix := range []string{"_DSN", "_API_KEY", "_API_SECRET", "_EMAIL"} {
				if strings.HasPrefix(name, variablePrefix) && strings.HasSuffix(strings.TrimSuffix(name, fileSuffix), suffix) {
					value += canary
				}
			}
			if i%2 == 1 && !strings.HasSuffix(name, fileSuffix) {
				path := fmt.Sprintf("/file%d", i)
				files[path] = value + "\n"
				name, value = name+fileSuffix, path
			}
			environ[i] = name + "=" + value
		}
		config, err := loadConfig(environ, configNeeds(needs), sourceForTest, files.read)
		// The entries themselves may name a canary's file by an absolute path; that is a path and may be shown.
		if !strings.Contains(text, fileSuffix+"=/") && !strings.Contains(text, fileSuffix+"=.") {
			assertNoCanary(t, config, err)
		}
		if err != nil {
			problemsOf(t, err)
			return
		}
		if config.Timezone == nil || config.ClickHouseDSN.IsZero() || config.LogFormat == "" {
			t.Fatalf("accepted without a default: %+v", config)
		}
	})
}
