package sops_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	filippo "filippo.io/age"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data/age"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/data/sops"
)

func keys(t testing.TB) age.Keyset {
	t.Helper()
	f, err := os.Open("testdata/key.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ids, err := filippo.ParseIdentities(f)
	if err != nil {
		t.Fatal(err)
	}
	return age.Keyset{Identities: ids, Tried: []string{"testdata/key.txt"}}
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func format(name string) string {
	return map[string]string{".yaml": "yaml", ".json": "json", ".env": "dotenv", ".txt": "binary"}[filepath.Ext(name)]
}

func fixtures(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.plain")
	if err != nil || len(names) < 8 {
		t.Fatalf("fixtures: %v, %v", names, err)
	}
	for i, n := range names {
		names[i] = strings.TrimSuffix(filepath.Base(n), ".plain")
	}
	return names
}

// TestAsSops: every file is decrypted to what sops itself decrypts it to.
func TestAsSops(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			d, err := sops.Decrypt([]byte(file(t, name)), format(name), keys(t))
			if err != nil {
				t.Fatal(err)
			}
			want := file(t, name+".plain")
			if format(name) == "binary" {
				if d.Content != want || !d.Values.IsNull() {
					t.Errorf("%q", d.Content)
				}
				return
			}
			// Both are the same document: what was encrypted, and the content that is written of it.
			for _, text := range []string{want, d.Content} {
				v, err := sops.Parse([]byte(text), format(name))
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := d.Values.UnmarkDeep(); !got.RawEquals(v) {
					t.Errorf("got  %#v\nwant %#v", got, v)
				}
			}
		})
	}
}

// TestSensitive: what the file's rules encrypt is sensitive, and nothing else.
func TestSensitive(t *testing.T) {
	get := func(name string, path ...string) cty.Value {
		t.Helper()
		d, err := sops.Decrypt([]byte(file(t, name)), format(name), keys(t))
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.At(path)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tc := range []struct {
		file      string
		path      string
		sensitive bool
	}{
		{"default.enc.yaml", "db.password", true},
		{"default.enc.yaml", "hosts.1.tags.0", true},
		{"default.enc.yaml", "note_unencrypted", false},
		{"regex.enc.yaml", "db.password", true},
		{"regex.enc.yaml", "hosts.1.tags.1", true},
		{"regex.enc.yaml", "db.user", false},
		{"maconly.enc.yaml", "db.user", false},
		{"maconly.enc.yaml", "db.port", true},
		{"suffix.enc.yaml", "db.password", true},
		{"suffix.enc.yaml", "db.port", false},
		{"comment.enc.yaml", "db.password", true},
		{"comment.enc.yaml", "db.user", false},
		{"default.enc.json", "plain_unencrypted.1", false},
		{"default.enc.json", "b.list.1.c", true},
		{"default.enc.env", "PLAIN_unencrypted", false},
		{"default.enc.env", "PASSWORD", true},
	} {
		if v := get(tc.file, strings.Split(tc.path, ".")...); lang.IsSensitive(v) != tc.sensitive {
			t.Errorf("%s: %s sensitive: %v", tc.file, tc.path, !tc.sensitive)
		}
	}
}

func TestAt(t *testing.T) {
	d, err := sops.Decrypt([]byte(file(t, "default.enc.yaml")), "yaml", keys(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.At([]string{"hosts", "1", "name"})
	if v, _ = v.Unmark(); err != nil || v.AsString() != "b" {
		t.Errorf("%#v, %v", v, err)
	}
	for path, want := range map[string]string{
		"db.pasword": `did you mean "password"`, "hosts.9": "list of 4", "hosts.x": "list of 4", "db.port.x": "nothing within",
		"db.none.x": `nothing at "db.none"`, "other": `no "other"`,
	} {
		if _, err := d.At(strings.Split(path, ".")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

var (
	password = regexp.MustCompile(`password: (ENC\[.*\])`)
	user     = regexp.MustCompile(`user: (ENC\[\S*\])`)
)

// TestTampered: whatever is changed in a file, it is refused, and the error quotes no value.
func TestTampered(t *testing.T) {
	whole := file(t, "default.enc.yaml")
	enc, userEnc := password.FindStringSubmatch(whole)[1], user.FindStringSubmatch(whole)[1]
	for name, tc := range map[string]struct {
		file, old, new string
		format, want   string
	}{
		"value in plain":             {"default.enc.yaml", enc, "planted", "yaml", `"db.password": it is not encrypted`},
		"number in plain":            {"default.enc.yaml", enc, "17", "yaml", `"db.password" is not encrypted`},
		"values swapped":             {"default.enc.yaml", enc, userEnc, "yaml", `"db.password": it cannot be decrypted`},
		"value moved":                {"default.enc.yaml", "password:", "passwort:", "yaml", `"db.passwort": it cannot be decrypted`},
		"value emptied":              {"default.enc.yaml", enc, `""`, "yaml", "MAC does not match"},
		"plain value changed":        {"default.enc.yaml", "plain text", "other text", "yaml", "MAC does not match"},
		"value removed":              {"default.enc.yaml", "    password: " + enc + "\n", "", "yaml", "MAC does not match"},
		"plain value added":          {"default.enc.yaml", "note_unencrypted: plain text", "note_unencrypted: plain text\nmore_unencrypted: x", "yaml", "MAC does not match"},
		"time of change":             {"default.enc.yaml", `lastmodified: "20`, `lastmodified: "21`, "yaml", "MAC cannot be decrypted"},
		"no time":                    {"default.enc.yaml", `lastmodified: "20`, `lastmodified: "x`, "yaml", "lastmodified"},
		"no MAC":                     {"default.enc.yaml", "    mac:", "    mack:", "yaml", "it has no MAC"},
		"rule changed":               {"default.enc.yaml", "unencrypted_suffix: _unencrypted", "unencrypted_suffix: word", "yaml", `"note_unencrypted": it is not encrypted`},
		"two rules":                  {"default.enc.yaml", "unencrypted_suffix: _unencrypted", "unencrypted_suffix: _unencrypted\n    encrypted_regex: x", "yaml", "several rules"},
		"bad pattern":                {"regex.enc.yaml", "encrypted_regex: ^(", "encrypted_regex: ^((", "yaml", "which is none"},
		"flipped bit":                {"default.enc.json", `"a": "ENC[AES256_GCM,data:`, `"a": "ENC[AES256_GCM,data:A`, "json", `"a": it cannot be decrypted`},
		"encrypted only, MAC":        {"maconly.enc.yaml", "mac_only_encrypted: true", "mac_only_encrypted: false", "yaml", "MAC does not match"},
		"unknown type":               {"default.enc.env", "type:str]\nURL", "type:tsr]\nURL", "dotenv", `"tsr"`},
		"another key":                {"other.enc.json", "", "", "json", "encrypted to other keys than those in testdata/key.txt"},
		"data key damaged":           {"default.enc.json", `FILE-----\n`, `FILE-----\nAAAA`, "json", "damaged"},
		"PGP only":                   {"default.enc.json", `"age": [`, `"pgp": [`, "json", "encrypted to PGP only"},
		"several key groups":         {"default.enc.json", `"age": [`, `"key_groups": [{}, {}], "age": [`, "json", "several key groups"},
		"not encrypted":              {"default.enc.yaml.plain", "", "", "yaml", "no metadata named sops"},
		"not YAML":                   {"default.enc.json", `"`, "\t{", "yaml", "not YAML"},
		"not JSON":                   {"default.enc.yaml", "", "", "json", "not JSON"},
		"a list":                     {"default.enc.txt.plain", "binary planted-password\nsecond line", "- a", "yaml", "not a mapping"},
		"names twice":                {"default.enc.yaml", "tls:", "port:", "yaml", `"port" is there twice`},
		"JSON names twice":           {"default.enc.json", `"big"`, `"a"`, "json", `"a" is there twice`},
		"several documents":          {"default.enc.yaml", "note_unencrypted", "---\nnote_unencrypted", "yaml", "several YAML documents"},
		"an alias":                   {"default.enc.yaml", "empty_map: {}", "x: &x {}\ny: *x", "yaml", "alias"},
		"no =":                       {"default.enc.env", "EMPTY=", "EMPTY", "dotenv", "line 5 has no ="},
		"a document as binary":       {"default.enc.json", "", "", "binary", "set format"},
		"text after the JSON object": {"default.enc.json", "\n}\n", "\n} {}\n", "json", "something follows"},
	} {
		t.Run(name, func(t *testing.T) {
			text := file(t, tc.file)
			if !strings.Contains(text, tc.old) {
				t.Fatalf("%s has no %q", tc.file, tc.old)
			}
			if tc.old != "" {
				text = strings.Replace(text, tc.old, tc.new, 1)
			}
			d, err := sops.Decrypt([]byte(text), tc.format, keys(t))
			if err == nil {
				t.Fatalf("it is read: %#v", d.Values)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "planted") {
				t.Error(err)
			}
		})
	}
}

// TestDeep: nesting is bounded, in both formats.
func TestDeep(t *testing.T) {
	for format, text := range map[string]string{
		"json": strings.Repeat(`{"a":`, 100_000),
		"yaml": strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
	} {
		if _, err := sops.Decrypt([]byte(text), format, keys(t)); err == nil || !strings.Contains(err.Error(), "nested") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestRead(t *testing.T) {
	r := datatest.Reader{Source: sops.Source{}, Dir: "testdata", Outside: datatest.Keys(keys(t).Identities)}
	v := r.Must(t, datatest.Args{"path": datatest.Str("default.enc.yaml")})
	if !lang.IsSensitive(v.GetAttr("content")) || v.GetAttr("values").IsMarked() {
		t.Error("what is sensitive is not what was encrypted")
	}
	if db := v.GetAttr("values").GetAttr("db"); providers.Str(db, "password") != "planted-password" || providers.Int(db, "port") != 5432 || !providers.Bool(db, "tls") {
		t.Errorf("%#v", db)
	}
	v = r.Must(t, datatest.Args{"path": datatest.Str("default.enc.txt")})
	if providers.Str(v, "content") != file(t, "default.enc.txt.plain") {
		t.Errorf("%#v", v)
	}
	r.Must(t, datatest.Args{"path": datatest.Str("default.enc.json"), "format": datatest.Str("yaml")}) // JSON is YAML
	r.Refused(t, datatest.Args{"path": datatest.Str("none.yaml")}, `"none.yaml"`, "there is no such file")
	r.Refused(t, datatest.Args{"path": datatest.Str("other.enc.json")}, "other keys", "STOWAGE_AGE_KEY")
	r.Outside = datatest.Keys{}
	r.Refused(t, datatest.Args{"path": datatest.Str("default.enc.yaml")}, "no key in STOWAGE_AGE_KEY")
	v = r.Must(t, datatest.Args{"path": datatest.Str("default.enc.yaml"), "identity_file": datatest.Str("key.txt")})
	if lang.IsSensitive(v.GetAttr("path")) {
		t.Error("the path is sensitive")
	}
}

// FuzzDecrypt: whatever a file holds, it is decrypted or refused; and what is
// decrypted can be read again as what it was written as.
func FuzzDecrypt(f *testing.F) {
	for _, name := range fixtures(f) {
		f.Add([]byte(file(f, name)), format(name))
	}
	f.Add([]byte(`{"sops":{"mac":"","lastmodified":"2024-01-01T00:00:00Z","age":[{"enc":1}]}}`), "json")
	f.Add([]byte("sops_age__list_9__map_enc=x\nsops_age=y\nsops_lastmodified=2024-01-01T00:00:00Z"), "dotenv")
	f.Add([]byte("a: !!binary x\nb: [1, {c: .nan}]\nsops: {age: []}"), "yaml")
	k := keys(f)
	f.Fuzz(func(t *testing.T, b []byte, format string) {
		_, _ = sops.Parse(b, format) // what has no key is as hostile
		d, err := sops.Decrypt(b, format, k)
		if err != nil || d.Values.IsNull() {
			return
		}
		if _, err := sops.Parse([]byte(d.Content), format); err != nil {
			t.Errorf("%v: %s", err, d.Content)
		}
	})
}
