package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnreadVariables(t *testing.T) {
	const typing = ": is read by nothing: probably a typing error"
	cases := []struct{ variable, want string }{
		{"TIEOUT_LOG_LEVELL", typing + "; did you mean TIEOUT_LOG_LEVEL?"},
		{"TIEOUT_LOGLEVEL", typing + "; did you mean TIEOUT_LOG_LEVEL?"},
		{"TIEOUT_TIMEZONE_FIEL", typing + "; did you mean TIEOUT_TIMEZONE_FILE?"},
		{"TIEOUT_ACCOUNT", typing + "; did you mean TIEOUT_ACCOUNTS?"},
		{"TIEOUT_KUNA_RESSOURCES", typing + "; did you mean TIEOUT_KUNA_RESOURCES?"},
		{"TIEOUT_", typing},
		{"TIEOUT_COLOUR", typing},
		{"TIEOUT_LOG_PROVIDER", typing},
		{"TIEOUT_KUAN_API_KEY", ": is read by nothing: TIEOUT_ACCOUNTS lists no account kuan; did you mean TIEOUT_KUNA_API_KEY?"},
		{"TIEOUT_COINUT_API_KEY_FILE", ": is read by nothing: TIEOUT_ACCOUNTS lists no account coinut"},
		{"TIEOUT_TEST_ANYTHING", ""},
		{"TIEOUT_KUNA_EMAIL", ""},
		{"TIEOUTX", ""},
		{"TIEOUT", ""},
		{"HOME", ""},
	}
	for _, c := range cases {
		t.Run(c.variable, func(t *testing.T) {
			environ := []string{"TIEOUT_ACCOUNTS=kuna", c.variable + "=x"}
			config, err := loadConfig(environ, needNothing, sourceForTest, testFiles{}.read)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.variable + c.want}
			}
			if diff := cmp.Diff(want, linesOf(config.Warnings)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Names come from the environment, which may hold anything; a problem stays one line.
func TestUnreadVariableWithControlCharacters(t *testing.T) {
	config, err := loadConfig([]string{"TIEOUT_\x1b[31m\nX=1"}, needNothing, sourceForTest, testFiles{}.read)
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Warnings[0].Variable; got != "TIEOUT_ [31m X" {
		t.Errorf("got %q", got)
	}
}

func TestTypingSlips(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"abc", "abxc", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
	} {
		if got := typingSlips(c.a, c.b); got != c.want {
			t.Errorf("%s to %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
