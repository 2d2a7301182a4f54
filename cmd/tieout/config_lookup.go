package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/sethvargo/go-envconfig"
)

var _ envconfig.Lookuper = (*settingLookuper)(nil)

// settingLookuper finds the value of a variable in the environment or in the file that NAME_FILE names. It must
// lie beneath envconfig.PrefixLookuper, so that it sees whole names.
//
// It notes which names it was asked for, because envconfig does not notice variables that nothing reads, and it
// collects problems instead of returning them, because envconfig stops at the first one. A variable with a
// problem looks unset to envconfig; failed tells the two apart.
type settingLookuper struct {
	values   map[string]string // the environment without empty values
	readFile func(path string) ([]byte, error)
	asked    map[string]bool // every NAME that was looked up
	failed   map[string]bool // every NAME that is set but has no usable value
	problems configProblems
}

// newSettingLookuper takes an environment as os.Environ returns it. Of two entries with one name the first counts,
// as it does for os.Getenv.
func newSettingLookuper(environ []string, readFile func(string) ([]byte, error)) *settingLookuper {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, taken := values[name]; !taken {
			values[name] = value
		}
	}
	for name, value := range values {
		if value == "" {
			delete(values, name)
		}
	}
	return &settingLookuper{
		values:   values,
		readFile: readFile,
		asked:    map[string]bool{},
		failed:   map[string]bool{},
	}
}

// Lookup implements envconfig.Lookuper. An empty value counts as unset, since envconfig itself would let it
// satisfy a requirement and defeat a default.
func (l *settingLookuper) Lookup(name string) (string, bool) {
	l.asked[name] = true
	value, isSet := l.values[name]
	path, isFile := l.values[name+fileSuffix]
	switch {
	case isSet && isFile:
		return l.refuse(name, name, "is set, and "+name+fileSuffix+" too: set one of them")
	case isFile:
		content, reason := l.readValue(path)
		if reason != "" {
			return l.refuse(name, name+fileSuffix, reason)
		}
		value = content
	case !isSet:
		return variableDefault(name)
	}
	if reason := unfitText(value); reason != "" {
		return l.refuse(name, name, reason)
	}
	return value, true
}

// isSet reports whether the environment gives a variable a value, usable or not.
func (l *settingLookuper) isSet(name string) bool {
	_, isValue := l.values[name]
	_, isFile := l.values[name+fileSuffix]
	return isValue || isFile
}

// refuse notes a problem with the variable, which may be reported under its NAME_FILE, and reports it as unset.
func (l *settingLookuper) refuse(name, reported, reason string) (string, bool) {
	l.failed[name] = true
	l.problems.add(reported, "%s", reason)
	return "", false
}

// readValue returns the content of a file without its last line break, or why there is none.
//
// An empty file is refused although an empty value counts as unset: a secret that was mounted but never filled
// must not quietly turn into a default.
func (l *settingLookuper) readValue(path string) (value, reason string) {
	content, err := l.readFile(path)
	if err != nil {
		return "", "names " + shownPath(path) + ", which cannot be read" + readReason(err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", "names " + shownPath(path) + ", which is empty"
	}
	return text, ""
}

// shownPath returns a path for a message. One that does not look like a path may be the secret itself, put into
// NAME_FILE by mistake, and is not shown; base64 may begin with a slash, so its other signs count as well.
func shownPath(path string) string {
	isPath := filepath.IsAbs(path) || strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../")
	if isPath && !strings.ContainsAny(path, "+=") {
		return path
	}
	return "a file (not shown, as it may be no path)"
}

// readReason says why a file could not be read, in the system's words only: any other text could repeat content.
func readReason(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return ": " + number.Error()
	}
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission, errSettingFileTooLarge} {
		if errors.Is(err, known) {
			return ": " + known.Error()
		}
	}
	return ""
}

// unfitText says why a text cannot be the value of any of our variables, or returns nothing. Both faults come
// from pasting; left alone they would surface far away, as a signature that the partner refuses.
func unfitText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.TrimSpace(text) != text:
		return "begins or ends with white space"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "contains a line break or another control character"
	}
	return ""
}

// settingFileBytesMax bounds what is read of a file: no value is anywhere near as long.
const settingFileBytesMax = 64 << 10

var errSettingFileTooLarge = fmt.Errorf("it holds more than %d KiB", settingFileBytesMax>>10)

// readSettingFile is the readFile that the command uses. It takes anything that can be read to its end, so a pipe
// of the shell works too.
func readSettingFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read from
	content, err := io.ReadAll(io.LimitReader(file, settingFileBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(content) > settingFileBytesMax {
		return nil, errSettingFileTooLarge
	}
	return content, nil
}
