package sops

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// metadataKey is where a file tells how it is encrypted.
const metadataKey = "sops"

// metadata is what a file tells of its encryption.
type metadata struct {
	stanzas      []string // the data key, encrypted to each age recipient
	recipients   []string
	others       []string // services that hold the data key, too: PGP, AWS KMS …
	mac          string
	lastModified string // RFC 3339, as the MAC has it
	onlyEnc      bool   // the MAC covers encrypted values only
	encrypted    func(path []string) rule
}

// rule says whether a value is encrypted.
type rule int

const (
	plainText rule = iota
	cipherText
	byLook // the file decides by comments: encrypted is what looks so
)

var services = []struct{ key, name string }{
	{"pgp", "PGP"}, {"kms", "AWS KMS"}, {"gcp_kms", "GCP KMS"}, {"azure_kv", "Azure Key Vault"},
	{"hc_vault", "HashiCorp Vault"}, {"hckms", "Huawei Cloud KMS"},
}

// readMetadata takes the metadata out of the document.
func readMetadata(doc mapping) (mapping, metadata, error) {
	var meta metadata
	raw, ok := doc.get(metadataKey).(mapping)
	if !ok {
		return nil, meta, errors.New("it is not encrypted with sops: it has no metadata named sops")
	}
	rest := make(mapping, 0, len(doc)-1)
	for _, it := range doc {
		if it.key != metadataKey {
			rest = append(rest, it)
		}
	}
	if groups, _ := raw.get("key_groups").(list); len(groups) > 1 {
		return nil, meta, errors.New("its key is split among several key groups, which stowage cannot join; keep all recipients in one group")
	} else if len(groups) == 1 {
		if g, ok := groups[0].(mapping); ok {
			meta.keys(g)
		}
	}
	meta.keys(raw)
	meta.mac = raw.text("mac")
	meta.onlyEnc = raw.get("mac_only_encrypted") == true || raw.text("mac_only_encrypted") == "true"
	modified, err := time.Parse(time.RFC3339, raw.text("lastmodified"))
	if err != nil {
		return nil, meta, errors.New("its metadata say no time of its last change (lastmodified)")
	}
	meta.lastModified = modified.Format(time.RFC3339)
	meta.encrypted, err = rules(raw)
	return rest, meta, err
}

func (m *metadata) keys(raw mapping) {
	stanzas, _ := raw.get("age").(list)
	for _, s := range stanzas {
		if s, ok := s.(mapping); ok {
			m.stanzas = append(m.stanzas, s.text("enc"))
			m.recipients = append(m.recipients, s.text("recipient"))
		}
	}
	for _, s := range services {
		if l, _ := raw.get(s.key).(list); len(l) > 0 {
			m.others = append(m.others, s.name)
		}
	}
}

// rules makes the rule that tells which values are encrypted. A file has at most
// one; without, names that end in _unencrypted are not.
func rules(raw mapping) (func(path []string) rule, error) {
	type maker func(arg string) (func(name string) bool, error)
	suffix := func(arg string) (func(string) bool, error) {
		return func(name string) bool { return strings.HasSuffix(name, arg) }, nil
	}
	pattern := func(arg string) (func(string) bool, error) {
		re, err := regexp.Compile(arg)
		if err != nil {
			return nil, fmt.Errorf("its metadata hold the pattern %q, which is none: %w", arg, err)
		}
		return re.MatchString, nil
	}
	var found func(path []string) rule
	n := 0
	for _, r := range []struct {
		name      string
		make      maker
		hit, miss rule
	}{
		{"unencrypted_suffix", suffix, plainText, cipherText},
		{"encrypted_suffix", suffix, cipherText, plainText},
		{"unencrypted_regex", pattern, plainText, cipherText},
		{"encrypted_regex", pattern, cipherText, plainText},
	} {
		arg := raw.text(r.name)
		if arg == "" {
			continue
		}
		match, err := r.make(arg)
		if err != nil {
			return nil, err
		}
		n++
		found = func(path []string) rule {
			for _, name := range path {
				if match(name) {
					return r.hit
				}
			}
			return r.miss
		}
	}
	if raw.text("encrypted_comment_regex")+raw.text("unencrypted_comment_regex") != "" {
		n++
		found = func([]string) rule { return byLook }
	}
	switch n {
	case 0:
		return rules(mapping{{"unencrypted_suffix", "_unencrypted"}})
	case 1:
		return found, nil
	}
	return nil, errors.New("its metadata hold several rules for what is encrypted, and only one is possible")
}
