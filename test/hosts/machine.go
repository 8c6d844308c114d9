package hosts

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// setting is a value of /proc/sys that labs changed and the last one restores.
type setting struct {
	Path, Old, New string
}

var settingsFile = filepath.Join(runDir, "settings.json")

// inotifyInstances is enough for some forty hosts: each systemd takes about
// ten of what the kernel counts for all of root's processes together.
const inotifyInstances = 1024

// adjustMachine changes what hosts need of the machine and notes the values
// from before. Call it under lockMachine, at the start of every lab.
//
// The way out needs forwarding on the bridge and on the uplink only; the
// global ip_forward stays as it is, since it belongs to others.
func adjustMachine() error {
	changed, err := readSettings()
	if err != nil {
		return err
	}
	set := func(path, value string) error {
		old, err := readValue(path)
		if err != nil || old == value {
			return err
		}
		changed = append(changed, setting{path, old, value})
		if err := writeSettings(changed); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(value), 0)
	}
	if link := uplink(); link != "" {
		if err := set("/proc/sys/net/ipv4/conf/"+link+"/forwarding", "1"); err != nil {
			return err
		}
	}
	const inotify = "/proc/sys/fs/inotify/max_user_instances"
	if now, err := readValue(inotify); err == nil {
		if n, _ := strconv.Atoi(now); n < inotifyInstances {
			return set(inotify, strconv.Itoa(inotifyInstances))
		}
	}
	return nil
}

// restoreMachine undoes adjustMachine. Call it under lockMachine when no lab
// is left. A value that somebody else has set meanwhile stays.
func restoreMachine() error {
	changed, err := readSettings()
	if err != nil {
		return err
	}
	for i := len(changed) - 1; i >= 0; i-- {
		s := changed[i]
		now, err := readValue(s.Path)
		if err != nil || now != s.New {
			continue
		}
		if strings.HasSuffix(s.Path, "/forwarding") {
			if all, _ := readValue("/proc/sys/net/ipv4/ip_forward"); all == "1" {
				continue
			}
		}
		if err := os.WriteFile(s.Path, []byte(s.Old), 0); err != nil {
			return err
		}
	}
	if err := os.Remove(settingsFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func readSettings() ([]setting, error) {
	data, err := os.ReadFile(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var changed []setting
	return changed, json.Unmarshal(data, &changed)
}

func writeSettings(changed []setting) error {
	data, err := json.Marshal(changed)
	if err != nil {
		return err
	}
	return writeFile(settingsFile, data, 0o644)
}

func readValue(path string) (string, error) {
	data, err := os.ReadFile(path)
	return strings.TrimSpace(string(data)), err
}

// uplink names the interface of the machine's default route, or "".
func uplink() string {
	file, err := os.Open("/proc/net/route")
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			return fields[0]
		}
	}
	return ""
}

// writeFile replaces a file as a whole, so that no reader and no crash sees
// half of it.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, mode); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
