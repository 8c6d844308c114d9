package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/agent/ocispec"
	"github.com/stowage-iac/stowage/agent/replica"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/agent/sealedexec"
	"github.com/stowage-iac/stowage/api"
)

// entryPath is where a container with a sealed environment finds its start program.
const entryPath = "/.stowage/start"

// configDir is where a config's files are for mounts of a mode.
func (a *Agent) configDir(m api.Mount) string {
	return filepath.Join(a.o.RunDir, "configs", fmt.Sprintf("%s@%s.%o", safeName(m.Config, 60), m.Version, configMode(m)))
}

func configMode(m api.Mount) fs.FileMode {
	if m.Mode != 0 {
		return fs.FileMode(m.Mode) & fs.ModePerm
	}
	return 0o444
}

// writeConfigs writes the files of every config that the template mounts.
func (a *Agent) writeConfigs(t api.PodTemplate) *replica.Problem {
	for _, c := range allContainers(t) {
		for _, m := range c.Mounts {
			if m.Config == "" {
				continue
			}
			data := a.copy.config(m.Config, m.Version)
			if data == nil {
				return &replica.Problem{Reason: "ConfigMissing", Message: fmt.Sprintf("node %s does not have config %s in version %s yet: it starts when a manager sends it; if none does, apply again", a.o.Node, m.Config, m.Version)}
			}
			if err := writeTree(a.configDir(m), data.Files, configMode(m)); err != nil {
				return problem("SetupFailed", fmt.Errorf("node %s: config %s: %w", a.o.Node, m.Config, err))
			}
		}
	}
	return nil
}

// writeTree makes dir with all files appear at once; a tree that is there is complete.
func writeTree(dir string, files map[string][]byte, mode fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := writeFiles(tmp, files, 0o755, mode, 0, 0); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) { // another replica was first
		return err
	}
	return nil
}

// writeFiles writes files, whose names may contain directories but not lead out of dir.
func writeFiles(dir string, files map[string][]byte, dirMode, mode fs.FileMode, uid, gid int) error {
	for name, content := range files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("file name %q leads out of its directory", name)
		}
		for _, parent := range parents(name) {
			at := filepath.Join(dir, parent)
			if err := os.MkdirAll(at, dirMode); err != nil {
				return err
			}
			if err := os.Chown(at, uid, gid); err != nil {
				return err
			}
		}
		if err := writeFile(filepath.Join(dir, name), content, mode, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// parents are the directories above a relative name, outermost first.
func parents(name string) []string {
	var out []string
	for d := filepath.Dir(name); d != "."; d = filepath.Dir(d) {
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}

// writeFile writes a file that nobody but its owner could ever open in between.
func writeFile(path string, content []byte, mode fs.FileMode, uid, gid int) error {
	if err := removeFileIfAny(path); err != nil {
		return err
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return errors.Join(os.Chown(path, uid, gid), os.Chmod(path, mode))
}

// writeSecrets opens the replica's bundle and writes what its containers get of
// it below RunDir/secrets, a tmpfs: files, and start programs for environments.
func (a *Agent) writeSecrets(id string, want *api.Assignment, images map[string]runtime.Image) *replica.Problem {
	fail := func(err error) *replica.Problem {
		return problem("SecretUnsealFailed", fmt.Errorf("node %s cannot open the secrets of %s: %w", a.o.Node, want.Key(), err))
	}
	bundle, err := unseal(want.Sealed, a.o.Identity)
	if err != nil {
		return fail(err)
	}
	if err := os.RemoveAll(a.secretDir(id)); err != nil {
		return fail(err)
	}
	for _, c := range allContainers(want.Template) {
		if !usesSecrets(c) {
			continue
		}
		user, home, err := ocispec.User(c, images[c.Image])
		if err != nil {
			return problem("StartFailed", fmt.Errorf("container %s: %w", c.Name, err))
		}
		w := secretWriter{dir: a.containerSecrets(id, c.Name), bundle: bundle, uid: int(user.UID), gid: int(user.GID)}
		if err := w.files(c); err != nil {
			return fail(fmt.Errorf("container %s: %w", c.Name, err))
		}
		if err := w.start(c, images[c.Image], home, id); err != nil {
			return fail(fmt.Errorf("container %s: %w", c.Name, err))
		}
	}
	return nil
}

func usesSecrets(c api.Container) bool {
	return hasSealedEnv(c) || slices.ContainsFunc(c.Mounts, func(m api.Mount) bool { return len(m.Sealed) > 0 })
}

func hasSealedEnv(c api.Container) bool {
	return slices.ContainsFunc(c.Env, func(e api.EnvVar) bool { return e.Sealed != "" })
}

func (a *Agent) containerSecrets(id, container string) string {
	return filepath.Join(a.secretDir(id), safeName(container, 20))
}

type secretWriter struct {
	dir      string
	bundle   api.SealedBundle
	uid, gid int
}

func (w secretWriter) value(key string) ([]byte, error) {
	v, ok := w.bundle[key]
	if !ok {
		return nil, fmt.Errorf("the bundle has no entry %q: apply again", key)
	}
	return v, nil
}

func (w secretWriter) files(c api.Container) error {
	for i, m := range c.Mounts {
		if len(m.Sealed) == 0 {
			continue
		}
		mode := fs.FileMode(0o400)
		if m.Mode != 0 {
			mode = fs.FileMode(m.Mode) & fs.ModePerm
		}
		dir := filepath.Join(w.dir, strconv.Itoa(i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		contents := map[string][]byte{}
		for name, key := range m.Sealed {
			v, err := w.value(key)
			if err != nil {
				return err
			}
			if name == "" {
				name = "file"
			}
			contents[name] = v
		}
		if err := writeFiles(dir, contents, 0o500, mode, w.uid, w.gid); err != nil {
			return err
		}
		if err := errors.Join(os.Chown(dir, w.uid, w.gid), os.Chmod(dir, 0o500)); err != nil {
			return err
		}
	}
	return nil
}

// start writes the start program of a container with a sealed environment.
func (w secretWriter) start(c api.Container, img runtime.Image, home, hostname string) error {
	if !hasSealedEnv(c) {
		return nil
	}
	for _, e := range c.Env {
		if e.Sealed != "" {
			if _, err := w.value(e.Sealed); err != nil {
				return err
			}
		}
	}
	args, err := ocispec.Args(c, img)
	if err != nil {
		return err
	}
	env := ocispec.Env(c, img, home, hostname, func(key string) string { return string(w.bundle[key]) })
	program, err := sealedexec.Executable(sealedexec.Program{Args: args, Env: env})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Join(w.dir, "start"), program, 0o500, w.uid, w.gid)
}

// mounts are a container's own mounts, after the standard ones.
func (a *Agent) mounts(id string, c api.Container) []specs.Mount {
	dir, secrets := a.podDir(id), a.containerSecrets(id, c.Name)
	out := []specs.Mount{
		ocispec.Bind(filepath.Join(dir, "hostname"), "/etc/hostname", true),
		ocispec.Bind(filepath.Join(dir, "hosts"), "/etc/hosts", true),
		ocispec.Bind(filepath.Join(dir, "resolv.conf"), "/etc/resolv.conf", true),
	}
	for i, m := range c.Mounts {
		switch {
		case m.Config != "":
			out = append(out, ocispec.Bind(a.configDir(m), m.Path, true, "nosuid", "nodev"))
		case m.HostPath != "":
			out = append(out, ocispec.Bind(m.HostPath, m.Path, m.ReadOnly))
		case len(m.Sealed) > 0:
			source := filepath.Join(secrets, strconv.Itoa(i))
			if _, single := m.Sealed[""]; single && len(m.Sealed) == 1 {
				source = filepath.Join(source, "file")
			}
			out = append(out, ocispec.Bind(source, m.Path, true, "nosuid", "nodev", "noexec"))
		}
	}
	if hasSealedEnv(c) {
		out = append(out, ocispec.Bind(filepath.Join(secrets, "start"), entryPath, true, "nosuid", "nodev"))
	}
	return out
}
