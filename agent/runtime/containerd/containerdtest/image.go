package containerdtest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"runtime"
	"sort"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is a one-layer image for tests: files by path, and how it is run.
type Image struct {
	Files  map[string]string
	Config ocispec.ImageConfig
}

// Busybox is Debian's static busybox as /bin/busybox with sh, users root and
// app (uid 1000, also in group extra, 2000), and some programs more as links.
func Busybox() Image {
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		panic(fmt.Sprintf("tests need Debian's busybox-static: %v", err))
	}
	files := map[string]string{
		"bin/busybox": string(b),
		"etc/passwd":  "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
		"etc/group":   "root:x:0:\napp:x:1000:\nextra:x:2000:app\n",
		"tmp/.keep":   "",
	}
	for _, name := range strings.Fields("sh sleep cat env id ls httpd nc kill mkdir touch echo head dd yes true false wget ping grep mount hostname ip stat mknod chmod") {
		files["bin/"+name] = "-> busybox"
	}
	return Image{Files: files, Config: ocispec.ImageConfig{Cmd: []string{"sh"}, Env: []string{"PATH=/bin", "FROM_IMAGE=yes"}}}
}

type blob struct {
	content   []byte
	mediaType string
	labels    map[string]string
}

func (b blob) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: b.mediaType, Digest: digest.FromBytes(b.content), Size: int64(len(b.content))}
}

type built struct {
	blobs    []blob
	manifest ocispec.Descriptor
}

func (i Image) build() built {
	layer := blob{content: i.layer(), mediaType: ocispec.MediaTypeImageLayer}
	config := blob{mediaType: ocispec.MediaTypeImageConfig, content: encode(ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   i.Config,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.descriptor().Digest}},
	})}
	manifest := blob{mediaType: ocispec.MediaTypeImageManifest, content: encode(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config.descriptor(), Layers: []ocispec.Descriptor{layer.descriptor()},
	})}
	manifest.labels = map[string]string{
		"containerd.io/gc.ref.content.config": config.descriptor().Digest.String(),
		"containerd.io/gc.ref.content.l.0":    layer.descriptor().Digest.String(),
	}
	return built{[]blob{layer, config, manifest}, manifest.descriptor()}
}

// layer is the tar of the files; "-> TARGET" is a link, what is in bin is executable.
func (i Image) layer() []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := make([]string, 0, len(i.Files))
	for n := range i.Files {
		names = append(names, n)
	}
	sort.Strings(names)
	dirs := map[string]bool{".": true}
	for _, n := range names {
		if d := path.Dir(n); !dirs[d] {
			dirs[d] = true
			mode := int64(0o755)
			if d == "tmp" {
				mode = 0o1777
			}
			must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: mode}))
		}
		content := i.Files[n]
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: n, Linkname: to}))
			continue
		}
		mode := int64(0o644)
		if strings.HasPrefix(n, "bin/") {
			mode = 0o755
		}
		must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: n, Mode: mode, Size: int64(len(content))}))
		_, err := w.Write([]byte(content))
		must(err)
	}
	must(w.Close())
	return buf.Bytes()
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	must(err)
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
