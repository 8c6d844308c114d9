package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// writeArchive writes an image of four layers of random bytes as `docker save`
// does, uncompressed; the layers lie in dir meanwhile.
func writeArchive(path, dir string) error {
	type rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	fs := rootFS{Type: "layers"}
	var layers []string
	for i := range 4 {
		file, layer := filepath.Join(dir, fmt.Sprint(i), "f"), filepath.Join(dir, fmt.Sprintf("%d.tar", i))
		if err := random(file, layerBytes); err != nil {
			return err
		}
		hash := sha256.New()
		if err := writeTar(layer, hash, map[string]string{fmt.Sprintf("%d/f", i): file}); err != nil {
			return err
		}
		fs.DiffIDs = append(fs.DiffIDs, "sha256:"+hex.EncodeToString(hash.Sum(nil)))
		layers = append(layers, filepath.Base(layer))
	}
	config, err := json.Marshal(map[string]any{"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{}, "rootfs": fs})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(config)
	name := hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{"peer.local/peer:" + name[:12]}, "Layers": layers}})
	if err != nil {
		return err
	}
	files := map[string]string{}
	for name, content := range map[string][]byte{name: config, "manifest.json": manifest} {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], content, 0o644); err != nil {
			return err
		}
	}
	for _, l := range layers {
		files[l] = filepath.Join(dir, l)
	}
	return writeTar(path, io.Discard, files)
}

// writeTar writes files, by their names within, and everything written into hash, too.
func writeTar(path string, hash io.Writer, files map[string]string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(io.MultiWriter(out, hash))
	for name, file := range files {
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
			return err
		}
		if _, err := io.Copy(w, in); err != nil {
			return err
		}
		in.Close()
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}
