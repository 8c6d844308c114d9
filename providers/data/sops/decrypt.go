package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/providers/data/age"
)

// envelope is an encrypted value as sops writes it.
var envelope = regexp.MustCompile(`^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]$`)

// onlyEncrypted begins the MAC of a file whose MAC covers encrypted values only;
// the number is sops'.
var onlyEncrypted = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// decrypt decrypts a document and verifies its MAC: every value is as it was
// encrypted, and none was added, removed or moved.
func decrypt(doc mapping, keys age.Keyset) (mapping, error) {
	doc, meta, err := readMetadata(doc)
	if err != nil {
		return nil, err
	}
	key, err := meta.dataKey(keys)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.New("its data key has not the length of an AES key: it is damaged")
	}
	d := &decrypter{meta: meta, block: block, sum: sha512.New()}
	if meta.onlyEnc {
		d.sum.Write(onlyEncrypted)
	}
	out, err := d.mapping(doc, nil)
	if err != nil {
		return nil, err
	}
	return out, d.verify()
}

// dataKey decrypts the file's key with the first identity that fits.
func (m metadata) dataKey(keys age.Keyset) ([]byte, error) {
	if len(m.stanzas) == 0 {
		who := "nobody"
		if len(m.others) > 0 {
			who = strings.Join(m.others, " and ") + " only"
		}
		return nil, fmt.Errorf("it is encrypted to %s, and stowage reads what is encrypted to age recipients: "+
			"add yours with \"sops rotate --add-age age1… -i FILE\", or run sops in a data \"external\" block", who)
	}
	var last error
	for _, s := range m.stanzas {
		key, err := age.Decrypt([]byte(s), keys)
		if err == nil {
			return key, nil
		}
		last = err
	}
	if len(m.stanzas) > 1 {
		return nil, fmt.Errorf("none of its age recipients (%s) is ours: %w", strings.Join(m.recipients, ", "), last)
	}
	return nil, fmt.Errorf("the key for its age recipient %s: %w", strings.Join(m.recipients, ""), last)
}

type decrypter struct {
	meta  metadata
	block cipher.Block
	sum   hash.Hash
}

func (d *decrypter) mapping(m mapping, path []string) (mapping, error) {
	out := make(mapping, len(m))
	for i, it := range m {
		v, err := d.node(it.value, append(path[:len(path):len(path)], it.key))
		if err != nil {
			return nil, err
		}
		out[i] = item{it.key, v}
	}
	return out, nil
}

func (d *decrypter) node(node any, path []string) (any, error) {
	switch v := node.(type) {
	case nil:
		return nil, nil
	case mapping:
		return d.mapping(v, path)
	case list:
		out := make(list, 0, len(v))
		for _, e := range v {
			inner, err := d.node(e, path)
			if err != nil {
				return nil, err
			}
			if inner != (comment{}) {
				out = append(out, inner)
			}
		}
		return out, nil
	}
	return d.leaf(node, path)
}

func (d *decrypter) leaf(leaf any, path []string) (any, error) {
	text, isText := leaf.(string)
	rule := d.meta.encrypted(path)
	if rule == byLook {
		if rule = plainText; isText && envelope.MatchString(text) {
			rule = cipherText
		}
	}
	if rule == cipherText {
		if !isText {
			return nil, fmt.Errorf("%s is not encrypted, although the file's rules say so: it was changed by something other than sops", at(path))
		}
		plain, err := d.open(text, strings.Join(path, ":")+":")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at(path), err)
		}
		leaf = plain
	}
	if leaf == (comment{}) {
		return leaf, nil
	}
	if rule == cipherText || !d.meta.onlyEnc {
		s, err := leafText(leaf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at(path), err)
		}
		d.sum.Write([]byte(s))
	}
	if rule == cipherText {
		return secret{leaf}, nil
	}
	return leaf, nil
}

func at(path []string) string { return fmt.Sprintf("the value %q", strings.Join(path, ".")) }

// open decrypts a value; aad is its place, so that it cannot be moved.
func (d *decrypter) open(text, aad string) (any, error) {
	if text == "" { // sops leaves empty texts as they are
		return "", nil
	}
	m := envelope.FindStringSubmatch(text)
	if m == nil {
		return nil, errors.New("it is not encrypted, although the file's rules say so: it was changed by something other than sops")
	}
	var parts [3][]byte
	for i := range parts {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return nil, errDamaged
		}
	}
	data, iv, tag := parts[0], parts[1], parts[2]
	if len(iv) == 0 || len(iv) > 64 || len(tag) != aes.BlockSize {
		return nil, errDamaged
	}
	gcm, err := cipher.NewGCMWithNonceSize(d.block, len(iv))
	if err != nil {
		return nil, errDamaged
	}
	plain, err := gcm.Open(nil, iv, append(data, tag...), []byte(aad))
	if err != nil {
		return nil, errDamaged
	}
	return typed(string(plain), m[4])
}

var errDamaged = errors.New("it cannot be decrypted: it is damaged, or it was moved from another place")

// typed is a decrypted text as the type that it is tagged with.
func typed(s, ty string) (v any, err error) {
	switch ty {
	case "str", "bytes":
		return s, nil
	case "comment":
		return comment{}, nil
	case "int":
		v, err = strconv.Atoi(s)
	case "float":
		v, err = strconv.ParseFloat(s, 64)
	case "bool":
		v, err = strconv.ParseBool(s)
	case "time":
		var t time.Time
		err = t.UnmarshalText([]byte(s))
		v = t
	default:
		return nil, fmt.Errorf("its type %q is none that stowage knows", ty)
	}
	if err != nil {
		return nil, fmt.Errorf("it is tagged as %s and is none", ty) // without the value
	}
	return v, nil
}

// verify compares the MAC.
func (d *decrypter) verify() error {
	if d.meta.mac == "" {
		return errors.New("it has no MAC, so that it may have been changed")
	}
	mac, err := d.open(d.meta.mac, d.meta.lastModified)
	if err != nil {
		return errors.New("its MAC cannot be decrypted: the file is damaged")
	}
	want, _ := mac.(string)
	got := strings.ToUpper(hex.EncodeToString(d.sum.Sum(nil)))
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return errors.New("its MAC does not match: a value was changed, added, removed or moved by something other than sops. " +
			"Find out what was changed; \"sops edit\" writes a new MAC")
	}
	return nil
}
