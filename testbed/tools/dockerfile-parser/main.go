// Reads Dockerfiles, one a line as a JSON string, and writes what BuildKit's own parser makes of each: the
// measure for sdk/gocdnext_sdk/tools/dockerfile.py.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type heredoc struct {
	Name    string `json:"name"`
	Chomp   bool   `json:"chomp"`
	Expand  bool   `json:"expand"`
	Content string `json:"content"`
}

type instruction struct {
	Line     int       `json:"line"`
	Keyword  string    `json:"keyword"`
	Flags    []string  `json:"flags"`
	Json     bool      `json:"json"`
	Words    []string  `json:"words"`
	Heredocs []heredoc `json:"heredocs"`
}

type answer struct {
	Error        string        `json:"error,omitempty"`
	Syntax       string        `json:"syntax"`
	Escape       string        `json:"escape"`
	Instructions []instruction `json:"instructions"`
}

func read(text string) answer {
	syntax, _, _, _ := parser.DetectSyntax([]byte(text))
	result, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return answer{Error: err.Error(), Syntax: syntax}
	}
	found := answer{Syntax: syntax, Escape: string(result.EscapeToken)}
	for _, node := range result.AST.Children {
		each := instruction{Line: node.StartLine, Keyword: strings.ToUpper(node.Value), Flags: node.Flags, Json: node.Attributes["json"]}
		for next := node.Next; next != nil; next = next.Next {
			each.Words = append(each.Words, next.Value)
		}
		for _, one := range node.Heredocs {
			each.Heredocs = append(each.Heredocs, heredoc{one.Name, one.Chomp, one.Expand, one.Content})
		}
		found.Instructions = append(found.Instructions, each)
	}
	return found
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	encoder := json.NewEncoder(output)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var text string
		if err := json.Unmarshal(line, &text); err != nil {
			panic(err)
		}
		if err := encoder.Encode(read(text)); err != nil {
			panic(err)
		}
		output.Flush()
	}
}
