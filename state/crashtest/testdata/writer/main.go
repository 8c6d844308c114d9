// Command writer makes one apply to the state of the backend STOWAGE_TEST_BACKEND
// with the arguments STOWAGE_TEST_ARGUMENTS: it records all pods with the value of
// the next generation, and says so on standard output as soon as a record is
// acknowledged. It is built with the tag crashtest and killed somewhere.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/registry"
)

const pods = 3

func main() {
	log.SetFlags(0)
	if err := apply(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func apply(ctx context.Context) error {
	name := os.Getenv("STOWAGE_TEST_BACKEND")
	arguments, err := registry.Decode(name, []byte(os.Getenv("STOWAGE_TEST_ARGUMENTS")))
	if err != nil {
		return err
	}
	b, err := registry.Open(name, arguments, state.Env{Getenv: os.Getenv, Dir: os.Getenv("STOWAGE_TEST_DIR")})
	if err != nil {
		return err
	}
	l, err := state.NewStore(b, state.Options{}).Lock(ctx, "apply", 20*time.Second)
	if err != nil {
		return err
	}
	defer l.Unlock()
	base, err := l.Load(ctx)
	if err != nil {
		return err
	}
	generation := 1
	for _, i := range base.State.Instances {
		n, err := strconv.Atoi(string(i.Value))
		if err != nil {
			return err
		}
		generation = max(generation, n+1)
	}
	j, err := l.Begin(ctx, base, state.Operation{Name: "apply", Plan: strconv.Itoa(generation)})
	if err != nil {
		return err
	}
	for n := range pods {
		if err := record(j, n, generation); err != nil {
			return err
		}
	}
	if _, err := j.Close(ctx); err != nil {
		return err
	}
	fmt.Printf("closed %d\n", generation)
	return nil
}

func record(j *state.Journal, pod, generation int) error {
	address := fmt.Sprintf("pod.web[%d]", pod)
	if err := j.Begin(address, "update"); err != nil {
		return err
	}
	i := &state.Instance{Address: address, Kind: "pod", Value: strconv.AppendInt(nil, int64(generation), 10)}
	if err := j.Done(address, i); err != nil {
		return err
	}
	fmt.Printf("done %d %d\n", pod, generation)
	return nil
}
