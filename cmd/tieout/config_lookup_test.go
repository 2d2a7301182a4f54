package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookupFiles(t *testing.T) {
	const name = "TIEOUT_KUNA_API_SECRET"
	files := testFiles{
		"/ok": "secret", "/newline": "secret\n", "/windows": "secret\r\n", "/two": "secret\n\n", "/inside": "a\nb\n",
		"/blank": " secret", "/empty": "", "/only": "\n", "/binary": "\xff\xfe",
	}
	cases := []struct {
		name    string
		environ []string
		value   string
		problem string
	}{
		{"value", []string{name + "=secret"}, "secret", ""},
		{"the first of two entries counts", []string{name + "=secret", name + "=other"}, "secret", ""},
		{"value with an equals sign", []string{name + "=c2VjcmV0=="}, "c2VjcmV0==", ""},
		{"file", []string{name + "_FILE=/ok"}, "secret", ""},
		{"file with a newline", []string{name + "_FILE=/newline"}, "secret", ""},
		{"file of Windows", []string{name + "_FILE=/windows"}, "secret", ""},
		{"file beside an empty value", []string{name + "=", name + "_FILE=/ok"}, "secret", ""},
		{"value beside an empty file name", []string{name + "=secret", name + "_FILE="}, "secret", ""},
		{"both", []string{name + "=x", name + "_FILE=/ok"}, "", name + ": is set, and " + name + "_FILE too: set one of them"},
		{"two newlines", []string{name + "_FILE=/two"}, "", name + ": begins or ends with white space"},
		{"two lines", []string{name + "_FILE=/inside"}, "", name + ": contains a line break or another control character"},
		{"blank", []string{name + "_FILE=/blank"}, "", name + ": begins or ends with white space"},
		{"binary", []string{name + "_FILE=/binary"}, "", name + ": is not valid UTF-8"},
		{"empty", []string{name + "_FILE=/empty"}, "", name + "_FILE: names /empty, which is empty"},
		{"only a newline", []string{name + "_FILE=/only"}, "", name + "_FILE: names /only, which is empty"},
		{
			"no file",
			[]string{name + "_FILE=./none"},
			"", name + "_FILE: names ./none, which cannot be read: no such file or directory",
		},
		{
			"the secret itself in the place of the path",
			[]string{name + "_FILE=hunter2"},
			"", name + "_FILE: names a file (not shown, as it may be no path), which cannot be read: no such file or directory",
		},
		{
			"a secret in base64 in the place of the path",
			[]string{name + "_FILE=/9j4AAQ+S=="},
			"", name + "_FILE: names a file (not shown, as it may be no path), which cannot be read: no such file or directory",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			environ := append([]string{"TIEOUT_ACCOUNTS=kuna"}, c.environ...)
			config, err := loadConfig(environ, needNothing, sourceForTest, files.read)
			var want []string
			if c.problem != "" {
				want = []string{c.problem}
			}
			if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
			if c.value != "" && config.Accounts[0].Credentials["api_secret"].Reveal() != c.value {
				t.Errorf("got %q", config.Accounts[0].Credentials["api_secret"].Reveal())
			}
		})
	}
}

// A variable that is set but unusable is reported once, not as missing too.
func TestLookupFailureIsNotMissing(t *testing.T) {
	environ := []string{
		"TIEOUT_ACCOUNTS=coinut", "TIEOUT_COINUT_API_KEY=k", "TIEOUT_COINUT_API_SECRET_FILE=/none",
		"TIEOUT_COINUT_PROVIDER_FILE=/none",
	}
	_, err := loadConfig(environ, needAccounts, sourceForTest, testFiles{}.read)
	want := []string{
		"TIEOUT_COINUT_API_SECRET_FILE: names /none, which cannot be read: no such file or directory",
		"TIEOUT_COINUT_PROVIDER_FILE: names /none, which cannot be read: no such file or directory",
	}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadReasonNeverRepeatsForeignText(t *testing.T) {
	if got := readReason(errors.New("content: hunter2")); got != "" {
		t.Errorf("got %q", got)
	}
	if got := readReason(fs.ErrPermission); got != ": permission denied" {
		t.Errorf("got %q", got)
	}
}

func TestReadSettingFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readSettingFile(path); err != nil || string(got) != "secret\n" {
		t.Errorf("got %q, error %v", got, err)
	}
	if err := os.WriteFile(path, make([]byte, settingFileBytesMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readSettingFile(path)
	if got := readReason(err); got != ": it holds more than 64 KiB" {
		t.Errorf("too large: %q", got)
	}
	_, err = readSettingFile(filepath.Join(dir, "none"))
	if got := readReason(err); got != ": no such file or directory" {
		t.Errorf("no file: %q", got)
	}
	_, err = readSettingFile(dir)
	if got := readReason(err); got != ": is a directory" {
		t.Errorf("a folder: %q", got)
	}
}
