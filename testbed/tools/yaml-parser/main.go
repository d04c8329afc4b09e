// Reads YAML texts, one a line as a JSON string, and writes what yaml.v3 makes of the first document of each:
// the measure for sdk/gocdnext_sdk/host/pipeline/yaml.py.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

type node struct {
	Kind  string  `json:"kind"`
	Line  int     `json:"line"`
	Tag   string  `json:"tag,omitempty"`
	Text  string  `json:"text,omitempty"`
	Plain bool    `json:"plain,omitempty"`
	Items []*node `json:"items,omitempty"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	Root  *node  `json:"root"`
}

func read(found *yaml.Node, left *int) *node {
	*left--
	if *left < 0 {
		return &node{Kind: "too many"}
	}
	if found.Kind == yaml.AliasNode {
		return read(found.Alias, left)
	}
	result := &node{Line: found.Line}
	switch found.Kind {
	case yaml.ScalarNode:
		result.Kind = "scalar"
		result.Text = found.Value
		result.Tag = found.ShortTag()
		result.Plain = found.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	case yaml.SequenceNode:
		result.Kind = "sequence"
	case yaml.MappingNode:
		result.Kind = "mapping"
	}
	for _, each := range found.Content {
		result.Items = append(result.Items, read(each, left))
	}
	return result
}

func parse(text string) (result answer) {
	defer func() {
		if failure := recover(); failure != nil {
			result = answer{Error: "panic"}
		}
	}()
	var document yaml.Node
	if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&document); err != nil {
		return answer{Error: err.Error()}
	}
	if len(document.Content) == 0 {
		return answer{Error: "empty"}
	}
	left := 10000
	return answer{Root: read(document.Content[0], &left)}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if err := out.Encode(parse(text)); err != nil {
			panic(err)
		}
	}
}
