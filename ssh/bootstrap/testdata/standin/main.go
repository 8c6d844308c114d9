// Standin takes the place of stowaged in the tests of the bootstrap: the same
// commands, files and sockets, and no pods.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/stowage-iac/stowage/api"
)

// Flavour makes builds differ.
var Flavour = "one"

const pidFile = api.RunDir + "/supervise.pid"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stowaged:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "run":
		return daemon()
	case "identity":
		return json.NewEncoder(os.Stdout).Encode(api.JoinRequest{Name: args[2], CSR: "csr", Recipient: "age1test"})
	case "teardown":
		return nil
	case "dial-stdio":
		return dialStdio(args[1])
	case "supervise":
		return supervise(len(args) > 1)
	}
	return fmt.Errorf("no command %q", args[0])
}

// daemon serves the node's own view.
func daemon() error {
	b, err := os.ReadFile(api.NodeConfigFile)
	if err != nil {
		return err
	}
	var view api.LocalView
	if err := json.Unmarshal(b, &view.Config); err != nil {
		return err
	}
	if view.Config.Name == "broken" {
		return fmt.Errorf("the node's name is broken (flavour %s)", Flavour)
	}
	view.Node.Version = Flavour
	if err := os.MkdirAll(api.RunDir, 0o700); err != nil {
		return err
	}
	os.Remove(api.Socket)
	l, err := net.Listen("unix", api.Socket)
	if err != nil {
		return err
	}
	if s := os.Getenv("NOTIFY_SOCKET"); s != "" {
		if c, err := net.Dial("unixgram", s); err == nil {
			io.WriteString(c, "READY=1")
		}
	}
	http.HandleFunc("/v1/local", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(view) })
	http.HandleFunc("/v1/objects/node", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") })
	return http.Serve(l, nil)
}

func dialStdio(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(c, os.Stdin)
		c.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, c)
	return err
}

func supervise(stop bool) error {
	if stop {
		b, err := os.ReadFile(pidFile)
		if err != nil {
			return nil
		}
		pid, _ := strconv.Atoi(string(b))
		syscall.Kill(pid, syscall.SIGTERM)
		for syscall.Kill(pid, 0) == nil {
			syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10000})
		}
		return os.Remove(pidFile)
	}
	if err := os.MkdirAll(filepath.Dir(pidFile), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	child := exec.Command(os.Args[0], "run")
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	child.Process.Kill()
	child.Wait()
	return nil
}
