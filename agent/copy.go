package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/stowage-iac/stowage/api"
)

// diskCopy is the node's own copy of what it was assigned: one file per
// replica, config, the node itself and the images to keep. With it the node
// starts its pods after a reboot without asking anyone. Secrets in it are sealed.
type diskCopy struct {
	dir string

	mu       sync.Mutex
	complete bool // a stream has once been in sync: what is not here is not wanted
	node     *api.NodeSpec
	replicas map[string]*api.Assignment // by Binding.Key
	configs  map[string]*api.ConfigData // by NAME@VERSION
	keep     []string
}

const (
	nodeFile     = "node.json"
	keepFile     = "images.json"
	replicaFiles = "replica"
	configFiles  = "config"
)

// openCopy reads the copy below dir. A file that is damaged is an error that
// names it: the agent would otherwise take its pod for deleted.
func openCopy(dir string) (*diskCopy, error) {
	c := &diskCopy{dir: dir, replicas: map[string]*api.Assignment{}, configs: map[string]*api.ConfigData{}}
	for _, d := range []string{replicaFiles, configFiles} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	if _, err := readJSON(filepath.Join(dir, nodeFile), &c.node); err != nil {
		return nil, err
	}
	var err error
	if c.complete, err = readJSON(filepath.Join(dir, keepFile), &c.keep); err != nil {
		return nil, err
	}
	err = eachJSON(filepath.Join(dir, replicaFiles), func(a *api.Assignment) { c.replicas[a.Key()] = a })
	if err != nil {
		return nil, err
	}
	return c, eachJSON(filepath.Join(dir, configFiles), func(d *api.ConfigData) { c.configs[configKey(d.Name, d.Version)] = d })
}

func configKey(name, version string) string { return name + "@" + version }

// apply stores one message of the stream, on disk before in memory.
func (c *diskCopy) apply(u api.AssignmentUpdate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch u.Type {
	case "put":
		return c.put(u)
	case "delete":
		return c.delete(u.Key)
	case "synced":
		return c.setKeep(u.KeepImages)
	}
	return fmt.Errorf("assignment stream: unknown message %q", u.Type)
}

func (c *diskCopy) put(u api.AssignmentUpdate) error {
	// Every stream begins with all there is: only what differs is written.
	if u.Node != nil && !reflect.DeepEqual(u.Node, c.node) {
		if err := writeJSON(filepath.Join(c.dir, nodeFile), u.Node); err != nil {
			return err
		}
		c.node = u.Node
	}
	if u.Config != nil {
		key := configKey(u.Config.Name, u.Config.Version)
		if c.configs[key] == nil { // a version never changes
			if err := writeJSON(c.file(configFiles, key), u.Config); err != nil {
				return err
			}
			c.configs[key] = u.Config
		}
	}
	if u.Replica != nil && !reflect.DeepEqual(u.Replica, c.replicas[u.Replica.Key()]) {
		if err := writeJSON(c.file(replicaFiles, u.Replica.Key()), u.Replica); err != nil {
			return err
		}
		c.replicas[u.Replica.Key()] = u.Replica
	}
	if u.KeepImages != nil {
		return c.setKeep(u.KeepImages)
	}
	return nil
}

func (c *diskCopy) delete(key string) error {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case "replica":
		if err := removeFile(c.file(replicaFiles, name)); err != nil {
			return err
		}
		delete(c.replicas, name)
	case "config":
		if err := removeFile(c.file(configFiles, name)); err != nil {
			return err
		}
		delete(c.configs, name)
	default:
		return fmt.Errorf("assignment stream: delete of unknown key %q", key)
	}
	return nil
}

func (c *diskCopy) setKeep(refs []string) error {
	if refs == nil {
		refs = []string{}
	}
	if !c.complete || !slices.Equal(refs, c.keep) {
		if err := writeJSON(filepath.Join(c.dir, keepFile), refs); err != nil {
			return err
		}
	}
	c.keep, c.complete = refs, true
	return nil
}

// retain deletes what a stream did not put before it was in sync.
func (c *diskCopy) retain(seen map[string]bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for key := range c.replicas {
		if !seen["replica/"+key] {
			errs = append(errs, c.delete("replica/"+key))
		}
	}
	for key := range c.configs {
		if !seen["config/"+key] {
			errs = append(errs, c.delete("config/"+key))
		}
	}
	return errors.Join(errs...)
}

func (c *diskCopy) config(name, version string) *api.ConfigData {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configs[configKey(name, version)]
}

func (c *diskCopy) file(kind, key string) string {
	return filepath.Join(c.dir, kind, url.PathEscape(key)+".json")
}

// writeJSON replaces a file such that a reader finds the old or the new content whatever happens.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readJSON(path string, v any) (found bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("%s is damaged: %w; remove it to fetch it from a manager again", path, err)
	}
	return true, nil
}

func eachJSON[T any](dir string, add func(*T)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".new-") { // of a crash
			_ = os.Remove(path)
			continue
		}
		v := new(T)
		if _, err := readJSON(path, v); err != nil {
			return err
		}
		add(v)
	}
	return nil
}
