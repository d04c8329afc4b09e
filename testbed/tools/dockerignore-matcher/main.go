// Reads the texts of ignore files, one a line as JSON, and writes what BuildKit and kaniko leave out by each: the
// measure for sdk/gocdnext_sdk/tools/dockerignore.py and for what the kaniko plugin makes of such a file.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	gofs "io/fs"
	"os"
	"sort"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// A question is an ignore file and a context: its files, and its directories, each with a slash at its end.
type question struct {
	Text  string   `json:"text"`
	Paths []string `json:"paths"`
}

// BuildKit tells what is sent to it; Kaniko tells which paths, asked for one by one, are not left out.
type answer struct {
	Error    string   `json:"error,omitempty"`
	Patterns []string `json:"patterns"`
	BuildKit []string `json:"buildkit"`
	Kaniko   []string `json:"kaniko"`
}

// A tree is a context in memory, the names of a directory's entries to what they are; a file is nil.
type tree map[string]tree

func grow(paths []string) tree {
	root := tree{}
	for _, path := range paths {
		here := root
		names := strings.Split(strings.TrimSuffix(path, "/"), "/")
		for i, name := range names {
			if i == len(names)-1 && !strings.HasSuffix(path, "/") {
				here[name] = nil
			} else if here[name] == nil {
				here[name] = tree{}
			}
			here = here[name]
		}
	}
	return root
}

func (t tree) Open(string) (io.ReadCloser, error) { return nil, os.ErrInvalid }

func (t tree) Walk(_ context.Context, _ string, fn gofs.WalkDirFunc) error { return t.walk("", fn) }

func (t tree) walk(above string, fn gofs.WalkDirFunc) error {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		stat := &types.Stat{Path: above + name}
		if t[name] != nil {
			stat.Mode = uint32(os.ModeDir)
		}
		err := fn(stat.Path, &fsutil.DirEntryInfo{Stat: stat}, nil)
		if err == nil && t[name] != nil {
			err = t[name].walk(stat.Path+"/", fn)
		}
		if err != nil && !errors.Is(err, gofs.SkipDir) {
			return err
		}
	}
	return nil
}

func ask(asked question) answer {
	patterns, err := ignorefile.ReadAll(strings.NewReader(asked.Text))
	if err != nil {
		return answer{Error: err.Error()}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found := answer{}
	for _, pattern := range matcher.Patterns() {
		negation := map[bool]string{true: "!"}[pattern.Exclusion()]
		found.Patterns = append(found.Patterns, negation+pattern.String())
	}
	context_ := grow(asked.Paths)
	filtered, err := fsutil.NewFilterFS(context_, &fsutil.FilterOpt{ExcludePatterns: patterns})
	if err != nil {
		return answer{Error: err.Error(), Patterns: found.Patterns}
	}
	err = filtered.Walk(context.Background(), "", func(path string, _ gofs.DirEntry, _ error) error {
		found.BuildKit = append(found.BuildKit, path)
		return nil
	})
	if err != nil {
		return answer{Error: err.Error(), Patterns: found.Patterns}
	}
	_ = context_.walk("", func(path string, _ gofs.DirEntry, _ error) error {
		// Where a pattern is wrong it says so in its log and takes the file in.
		if out, err := patternmatcher.Matches(path, patterns); err != nil || !out {
			found.Kaniko = append(found.Kaniko, path)
		}
		return nil
	})
	return found
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		if err := output.Encode(ask(asked)); err != nil {
			panic(err)
		}
	}
}
