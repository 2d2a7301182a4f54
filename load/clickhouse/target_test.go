package clickhouse_test

import (
	"fmt"
	"strings"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"tieout/load/clickhouse"
	"tieout/schema"
)

func TestParseDSN(t *testing.T) {
	for text, want := range map[string]struct {
		target   clickhouse.Target
		password string
		shown    string
	}{
		"embedded:.tieout/clickhouse": {
			target: clickhouse.Target{Database: "tieout", Path: ".tieout/clickhouse"},
			shown:  "embedded .tieout/clickhouse, database tieout",
		},
		"embedded:/data/it's here?#@": {
			target: clickhouse.Target{Database: "tieout", Path: "/data/it's here?#@"},
			shown:  "embedded /data/it's here?#@, database tieout",
		},
		"clickhouse://127.0.0.1": {
			target: clickhouse.Target{Database: "tieout", Addresses: []string{"127.0.0.1:9000"}},
			shown:  "native 127.0.0.1:9000, database tieout",
		},
		"clickhouse://user:p%40ss%2Fw%3Frd@host:9001/money": {
			target:   clickhouse.Target{Database: "money", Addresses: []string{"host:9001"}, Username: "user"},
			password: "p@ss/w?rd",
			shown:    "native host:9001, database money",
		},
		"clickhouse://user:a:b@c+d@host/": { // colons, plus signs and all but the last @ belong to the password
			target:   clickhouse.Target{Database: "tieout", Addresses: []string{"host:9000"}, Username: "user"},
			password: "a:b@c+d",
			shown:    "native host:9000, database tieout",
		},
		"clickhouse://a,b:9001,[::1],[::2]:9002/money?secure=true&tls_server_name=ch.example.com": {
			target: clickhouse.Target{
				Database: "money", Addresses: []string{"a:9440", "b:9001", "[::1]:9440", "[::2]:9002"},
				Secure: true, ServerName: "ch.example.com",
			},
			shown: "native TLS a:9440,b:9001,[::1]:9440,[::2]:9002, database money",
		},
		"http://reader@localhost": {
			target: clickhouse.Target{Database: "tieout", Protocol: driverpackage.HTTP, Addresses: []string{"localhost:8123"}, Username: "reader"},
			shown:  "http localhost:8123, database tieout",
		},
		"https://x.clickhouse.cloud/d?skip_verify=1&secure=true": {
			target: clickhouse.Target{
				Database: "d", Protocol: driverpackage.HTTP, Addresses: []string{"x.clickhouse.cloud:8443"},
				Secure: true, SkipVerify: true,
			},
			shown: "https x.clickhouse.cloud:8443, database d",
		},
	} {
		got, err := clickhouse.ParseDSN(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.Password.Reveal() != want.password {
			t.Errorf("%s: password %q, want %q", text, got.Password.Reveal(), want.password)
		}
		got.Password = schema.Secret{}
		if difference := cmp.Diff(fmt.Sprintf("%+v", want.target), fmt.Sprintf("%+v", got)); difference != "" {
			t.Errorf("%s (-want +got):\n%s", text, difference)
		}
		if got.String() != want.shown {
			t.Errorf("%s shows as %q, want %q", text, got, want.shown)
		}
		if got.Embedded() != strings.HasPrefix(text, "embedded:") {
			t.Errorf("%s: embedded is %t", text, got.Embedded())
		}
	}
}

// TestParseDSNRefuses gives it what people get wrong; "hunter" is part of every password.
func TestParseDSNRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                  "",
		"no scheme":              "user:hunter2@host",
		"unknown scheme":         "postgres://user:hunter2@host/db",
		"password as scheme":     "hunter2:9000",
		"no slashes":             "clickhouse:user:hunter2@host",
		"no host":                "clickhouse://user:hunter2@/db",
		"no host at all":         "clickhouse://",
		"no folder":              "embedded:",
		"slash in password":      "clickhouse://user:hunter/2@host:9000/db",
		"question in password":   "clickhouse://user:hunter?2@host:9000/db",
		"hash in password":       "clickhouse://user:hunter#2@host:9000/db",
		"hash and no at":         "clickhouse://user:hunter#2",
		"at and slash":           "clickhouse://user:a@hunter/2@host:9000/db",
		"percent in password":    "clickhouse://user:hunter%zz@host/db",
		"percent in user":        "clickhouse://hunter%:2@host/db",
		"password without at":    "clickhouse://user:hunter2",
		"space in password":      "clickhouse://user:hunter 2/host",
		"bad port":               "clickhouse://user:hunter2@host:port/db",
		"port out of range":      "clickhouse://user:hunter2@host:65536/db",
		"port zero":              "clickhouse://user:hunter2@host:0/db",
		"bad bracket":            "clickhouse://user:hunter2@[::1/db",
		"no address in brackets": "clickhouse://user:hunter2@[hunter]:9000/db",
		"empty host in a list":   "clickhouse://user:hunter2@a,,b/db",
		"bad database":           "clickhouse://user:hunter2@host/my-db",
		"two databases":          "clickhouse://user:hunter2@host/a/b",
		"unknown parameter":      "clickhouse://user:hunter2@host/db?hunter2=1",
		"password as parameter":  "clickhouse://host/db?password=hunter2",
		"bad secure":             "clickhouse://user:hunter2@host/db?secure=hunter",
		"bad skip_verify":        "clickhouse://user:hunter2@host/db?secure=1&skip_verify=hunter",
		"bad server name":        "clickhouse://user:hunter2@host/db?secure=1&tls_server_name=hunter%202",
		"parameter twice":        "clickhouse://user:hunter2@host/db?secure=1&secure=0",
		"bad query":              "clickhouse://user:hunter2@host/db?secure=%zz",
		"http with TLS":          "http://user:hunter2@host/db?secure=true",
		"https without TLS":      "https://user:hunter2@host/db?secure=false",
		"server name without":    "clickhouse://user:hunter2@host/db?tls_server_name=a",
		"newline":                "clickhouse://user:hunter2@ho\nst/db",
	} {
		target, err := clickhouse.ParseDSN(text)
		if err == nil {
			t.Errorf("%s: read as %+v", name, target)
			continue
		}
		if schema.ClassOf(err) != schema.ClassConfiguration {
			t.Errorf("%s: class %s", name, schema.ClassOf(err))
		}
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

func FuzzParseDSN(f *testing.F) {
	f.Add("user", "pass", "host:9000/db?secure=true")
	f.Add("u", "a/b?c#d@e", "host")
	f.Fuzz(func(t *testing.T, user, word, rest string) {
		// A marker that no sentence of ours contains, anywhere in the password, escaped or not.
		const marker = "zQx9"
		_, err := clickhouse.ParseDSN("clickhouse://" + user + ":" + marker + word + marker + "@" + rest)
		if err != nil && strings.Contains(err.Error(), marker) && !strings.Contains(user+rest, marker) {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}

func TestTargetHidesPassword(t *testing.T) {
	target, err := clickhouse.ParseDSN("clickhouse://user:hunter2@host/db")
	must(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, target); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}
