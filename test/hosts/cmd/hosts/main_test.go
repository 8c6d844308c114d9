package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A session at the shell, from up to down.
func TestSession(t *testing.T) {
	hosts := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), args, &out)
		return out.String(), err
	}
	out, err := hosts("up", "-n", "2", "-variant", "bare")
	if err != nil {
		t.Fatal(err)
	}
	var lab int
	if _, err := fmt.Sscanf(out, "lab %d,", &lab); err != nil {
		t.Fatalf("up printed %q", out)
	}
	number := fmt.Sprint(lab)
	defer func() {
		if _, err := hosts("down", number); err != nil {
			t.Error(err)
		}
		if out, _ := hosts("list"); strings.Contains(out, "\n"+number+"/h1") {
			t.Errorf("list after down:\n%s", out)
		}
	}()

	for _, args := range [][]string{
		{"cut", "h1"}, {"boot", "h1"}, {"reboot", "h1"},
		{"partition", "h1"}, {"heal", "h1"},
		{"partition", "h1", number + "/h2"}, {"heal", "h1"},
	} {
		args[1] = number + "/" + args[1]
		if _, err := hosts(args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		out, err := hosts("list")
		if err != nil {
			t.Fatal(err)
		}
		power := " on "
		if args[0] == "cut" {
			power = " off "
		}
		if _, line, _ := strings.Cut(out, "\n"+number+"/h1 "); !strings.Contains(strings.SplitN(line, "\n", 2)[0], power) {
			t.Errorf("list after %s does not show%s:\n%s", args[0], power, out)
		}
	}
	if out, err := hosts("exec", number+"/h2", "echo", "$((20+3))"); err != nil || out != "23\n" {
		t.Errorf("exec: %q, %v", out, err)
	}
	if _, err := hosts("cut", number+"/h9"); err == nil || !strings.Contains(err.Error(), "h1 to h2") {
		t.Errorf("cut of a host that is not there: %v", err)
	}
}

func TestUnknownCommand(t *testing.T) {
	if err := run(t.Context(), []string{"fly"}, nil); err == nil || !strings.Contains(err.Error(), `"fly"`) {
		t.Errorf("got %v", err)
	}
}
