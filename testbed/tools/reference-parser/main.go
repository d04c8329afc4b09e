// Reads image references, one a line as a JSON string, and writes what distribution and go-containerregistry
// make of each: the measure for sdk/gocdnext_sdk/oci/reference.py.
package main

import (
	"bufio"
	_ "crypto/sha512" // digests of that kind
	"encoding/json"
	"os"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
)

type parts struct {
	Error      string `json:"error,omitempty"`
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

type answer struct {
	Distribution parts `json:"distribution"`
	Ggcr         parts `json:"ggcr"`
}

func distribution(text string) parts {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return parts{Error: err.Error()}
	}
	found := parts{Registry: reference.Domain(named), Repository: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		found.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		found.Digest = digested.Digest().String()
	}
	return found
}

func ggcr(text string) parts {
	found, err := name.ParseReference(text, name.WithDefaultTag(""))
	if err != nil {
		return parts{Error: err.Error()}
	}
	repository := found.Context()
	result := parts{Registry: repository.RegistryStr(), Repository: repository.RepositoryStr()}
	if digest, ok := found.(name.Digest); ok {
		result.Digest = digest.DigestStr()
	} else {
		result.Tag = found.Identifier()
	}
	return result
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
		if err := out.Encode(answer{distribution(text), ggcr(text)}); err != nil {
			panic(err)
		}
	}
}
