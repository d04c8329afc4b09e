module gocdnext.invalid/testbed/yaml-parser

go 1.26.8

require gopkg.in/yaml.v3 v3.0.1
