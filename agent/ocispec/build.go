package ocispec

import (
	"errors"
	"strconv"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// Input is what a specification is made of.
type Input struct {
	Container api.Container
	Image     runtime.Image
	Hostname  string
	NetNS     string // path of the pod's network namespace
	IPCNS     string
	Shm       string // directory of the host that is the pod's /dev/shm
	Cgroup    string // absolute, below the host's cgroup root
	// Mounts are added after the standard ones, in order.
	Mounts []specs.Mount
	// Entry replaces the command by a program that runs it (package sealedexec); "" without.
	Entry string
	Host  Host
}

// Build makes the specification.
func Build(in Input) (*specs.Spec, error) {
	args, err := Args(in.Container, in.Image)
	if err != nil {
		return nil, err
	}
	user, home, err := User(in.Container, in.Image)
	if err != nil {
		return nil, err
	}
	if in.Entry != "" {
		args = []string{in.Entry}
	}
	caps := capabilities(in.Container.CapAdd)
	score := oomScore(in.Container.Resources, in.Host.Memory)
	s := &specs.Spec{
		Version:  "1.0.2", // what runc 1.1 and later accept
		Hostname: in.Hostname,
		Root:     &specs.Root{Path: "rootfs", Readonly: in.Container.ReadOnly},
		Process: &specs.Process{
			Args:            args,
			Cwd:             workDir(in.Container, in.Image),
			Env:             Env(in.Container, in.Image, home, in.Hostname, nil),
			User:            user,
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:         openFiles(in.Host),
			OOMScoreAdj:     &score,
			ApparmorProfile: in.Host.AppArmor,
		},
		Mounts: append(standardMounts(in), in.Mounts...),
		Linux: &specs.Linux{
			Namespaces:    namespaces(in),
			CgroupsPath:   in.Cgroup,
			Resources:     resources(in.Container.Resources, in.Host),
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
		},
	}
	s.Linux.Seccomp = seccomp.DefaultProfile(s) // depends on the capabilities
	return s, nil
}

// Args is the command line: command and args, each in place of the image's.
func Args(c api.Container, img runtime.Image) ([]string, error) {
	entry, cmd := img.Config.Entrypoint, img.Config.Cmd
	if len(c.Command) > 0 { // as in Kubernetes: a new command does not get the old arguments
		entry, cmd = c.Command, nil
	}
	if len(c.Args) > 0 {
		cmd = c.Args
	}
	args := append(append([]string{}, entry...), cmd...)
	if len(args) == 0 {
		return nil, errors.New("neither the container nor its image names a command: set command or args")
	}
	return args, nil
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Env is the environment, later entries winning: defaults, the image's, the
// container's. Entries that come from the sealed bundle are taken from sealed
// and left out when it is nil.
func Env(c api.Container, img runtime.Image, home, hostname string, sealed func(key string) string) []string {
	env := []string{defaultPath, "HOSTNAME=" + hostname, "HOME=" + home}
	for _, e := range img.Config.Env {
		env = setEnv(env, e)
	}
	for _, e := range c.Env {
		switch {
		case e.Sealed == "":
			env = setEnv(env, e.Name+"="+e.Value)
		case sealed != nil:
			env = setEnv(env, e.Name+"="+sealed(e.Sealed))
		}
	}
	return env
}

func setEnv(env []string, entry string) []string {
	name := entry
	for i := range entry {
		if entry[i] == '=' {
			name = entry[:i+1]
			break
		}
	}
	for i, e := range env {
		if len(e) >= len(name) && e[:len(name)] == name {
			env[i] = entry
			return env
		}
	}
	return append(env, entry)
}

func workDir(c api.Container, img runtime.Image) string {
	switch {
	case c.WorkDir != "":
		return c.WorkDir
	case img.Config.WorkingDir != "":
		return img.Config.WorkingDir
	}
	return "/"
}

func namespaces(in Input) []specs.LinuxNamespace {
	ns := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.UTSNamespace},
		{Type: specs.NetworkNamespace, Path: in.NetNS}, {Type: specs.IPCNamespace, Path: in.IPCNS},
	}
	if in.Host.CgroupV2 {
		ns = append(ns, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return ns
}

// parseID reads a numeric user or group ID.
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}
