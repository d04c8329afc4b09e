module gocdnext.invalid/testbed/reference-parser

go 1.26.8

require github.com/distribution/reference v0.6.0

require (
	github.com/google/go-containerregistry v0.21.7
	github.com/opencontainers/go-digest v1.0.0 // indirect
)
