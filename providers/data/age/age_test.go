package age_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	filippo "filippo.io/age"
	"filippo.io/age/armor"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data/age"
	"github.com/stowage-iac/stowage/providers/data/datatest"
)

func identity(t testing.TB) *filippo.X25519Identity {
	t.Helper()
	id, err := filippo.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func encrypt(t testing.TB, plain string, armored bool, to ...filippo.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := filippo.Encrypt(&b, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !armored {
		return b.Bytes()
	}
	var text bytes.Buffer
	a := armor.NewWriter(&text)
	if _, err := a.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func path(p string) datatest.Args { return datatest.Args{"path": datatest.Str(p)} }

func TestDecrypts(t *testing.T) {
	id := identity(t)
	r := datatest.Reader{Source: age.Source{}, Dir: t.TempDir(), Outside: datatest.Keys{id}}
	write(t, r.Dir, "binary.age", encrypt(t, "planted\n", false, id.Recipient()))
	write(t, r.Dir, "armored.age", encrypt(t, "planted\n", true, id.Recipient()))
	for _, name := range []string{"binary.age", "armored.age"} {
		v := r.Must(t, path(name))
		if providers.Str(v, "content") != "planted\n" || providers.Str(v, "content_base64") != "cGxhbnRlZAo=" {
			t.Errorf("%s: %#v", name, v)
		}
		if !lang.IsSensitive(v.GetAttr("content")) || !lang.IsSensitive(v.GetAttr("content_base64")) {
			t.Errorf("%s: the content is not sensitive", name)
		}
	}
}

func TestIdentityFile(t *testing.T) {
	id := identity(t)
	r := datatest.Reader{Source: age.Source{}, Dir: t.TempDir(), Outside: datatest.Keys{identity(t)}}
	write(t, r.Dir, "s.age", encrypt(t, "planted", false, id.Recipient()))
	write(t, r.Dir, "key.txt", []byte("# a key\n"+id.String()+"\n"))
	write(t, r.Dir, "other.txt", []byte("AGE-SECRET-KEY-1PLANTED"))
	args := path("s.age")
	args["identity_file"] = datatest.Str("key.txt")
	if providers.Str(r.Must(t, args), "content") != "planted" {
		t.Error("not decrypted")
	}
	args["identity_file"] = datatest.Str("none.txt")
	r.Refused(t, args, `"none.txt"`, "there is no such file")
	args["identity_file"] = datatest.Str("other.txt")
	r.Refused(t, args, "does not hold age identities")
}

func TestRefused(t *testing.T) {
	id := identity(t)
	r := datatest.Reader{Source: age.Source{}, Dir: t.TempDir(), Outside: datatest.Keys{id}}
	whole := encrypt(t, "planted", false, id.Recipient())
	write(t, r.Dir, "whole.age", whole)
	write(t, r.Dir, "other.age", encrypt(t, "planted", false, identity(t).Recipient()))
	write(t, r.Dir, "plain.txt", []byte("hello"))
	write(t, r.Dir, "empty.age", nil)
	write(t, r.Dir, "cut.age", whole[:len(whole)-1])
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	write(t, r.Dir, "flipped.age", flipped)
	write(t, r.Dir, "head.age", whole[:40])
	armored := encrypt(t, "planted", true, id.Recipient())
	write(t, r.Dir, "armor.age", append(armored[:60:60], '!'))
	write(t, r.Dir, "bytes.age", encrypt(t, "\xff", false, id.Recipient()))

	r.Refused(t, path("none.age"), "there is no such file")
	r.Refused(t, path("other.age"), "encrypted to other keys", "STOWAGE_AGE_KEY")
	r.Refused(t, path("plain.txt"), "not encrypted with age")
	r.Refused(t, path("empty.age"), "not encrypted with age")
	for _, name := range []string{"cut.age", "flipped.age", "head.age", "armor.age"} {
		r.Refused(t, path(name), "damaged")
	}
	r.Refused(t, path("bytes.age"), "not UTF-8 text", "binary = true")
	args := path("bytes.age")
	args["binary"] = cty.True
	if v := r.Must(t, args); !v.GetAttr("content").IsNull() || providers.Str(v, "content_base64") != "/w==" {
		t.Errorf("%#v", v)
	}
	r.Outside = datatest.Keys{}
	r.Refused(t, path("whole.age"), "there is no key in STOWAGE_AGE_KEY", "identity_file")
}

// FuzzDecrypt: whatever a file holds, it is decrypted or refused.
func FuzzDecrypt(f *testing.F) {
	id, err := filippo.ParseX25519Identity("AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encrypt(f, "hello", false, id.Recipient()))
	f.Add(encrypt(f, "hello", true, id.Recipient()))
	f.Add([]byte("age-encryption.org/v1\n-> X25519 x\ny\n---"))
	keys := age.Keyset{Identities: []filippo.Identity{id}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := age.Decrypt(b, keys); err != nil && len(plain) > 0 {
			t.Errorf("%v, and %d bytes", err, len(plain))
		}
	})
}
