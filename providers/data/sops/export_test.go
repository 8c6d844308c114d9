package sops

import "github.com/zclconf/go-cty/cty"

// Parse reads a document that is not encrypted.
func Parse(b []byte, format string) (cty.Value, error) {
	parse := parseJSON
	switch format {
	case "yaml":
		parse = parseYAML
	case "dotenv":
		parse = parseDotenv
	}
	doc, err := parse(b)
	if err != nil {
		return cty.NilVal, err
	}
	return value(doc)
}
