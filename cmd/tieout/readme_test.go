package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is generated in README.md")

const (
	readmeFile  = "../../README.md"
	configBegin = "<!-- configuration: made by `make docs`, checked by the tests -->\n"
	configEnd   = "<!-- end of configuration -->\n"
)

// TestReadmeConfiguration ties the table of variables to the list that the program reads by.
func TestReadmeConfiguration(t *testing.T) {
	readme := readReadme(t)
	before, rest, found := strings.Cut(readme, configBegin)
	_, after, ended := strings.Cut(rest, configEnd)
	if !found || !ended {
		t.Fatal("README.md lacks the marks around the table of variables")
	}
	wanted := before + configBegin + "\n" + variablesMarkdown() + "\n" + configEnd + after
	if *update {
		if err := os.WriteFile(readmeFile, []byte(wanted), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if readme != wanted {
		t.Error("the table of variables in README.md is not what the program reads: run `make docs`")
	}
}

var readmePath = regexp.MustCompile("`([a-z]+/[A-Za-z0-9_./-]+)`")

// TestReadmePaths opens every file and folder that the README speaks of.
func TestReadmePaths(t *testing.T) {
	paths := readmePath.FindAllStringSubmatch(readReadme(t), -1)
	if len(paths) < 5 {
		t.Errorf("only %d paths were found: the pattern is wrong", len(paths))
	}
	for _, path := range paths {
		if strings.HasPrefix(path[1], "go-json-experiment/") {
			continue
		}
		if _, err := os.Stat(filepath.Join("../..", path[1])); err != nil {
			t.Errorf("README.md speaks of %s: %v", path[1], err)
		}
	}
}

// TestReadmeCommands wants a line for every command.
func TestReadmeCommands(t *testing.T) {
	readme := readReadme(t)
	for _, command := range (&app{}).rootCommand().Commands() {
		if !strings.Contains(readme, "`tieout "+command.Name()) {
			t.Errorf("README.md does not speak of tieout %s", command.Name())
		}
	}
}

func readReadme(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
