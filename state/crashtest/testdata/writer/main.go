// Command writer applies to the state of the backend that its environment names (see
// crashtest/child): each apply records all pods with the value of the next generation,
// and says so on standard output as soon as a record is acknowledged. It is killed
// somewhere.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/crashtest/child"
)

func main() {
	log.SetFlags(0)
	b, err := child.Open(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	store := state.NewStore(b, state.Options{})
	applies := child.Number(os.Getenv, child.Applies)
	for n := 0; applies == 0 || n < applies; n++ {
		if err := apply(context.Background(), store); err != nil {
			log.Fatal(err)
		}
	}
}

func apply(ctx context.Context, store *state.Store) error {
	l, err := store.Lock(ctx, "apply", 20*time.Second)
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
	if os.Getenv(child.Evacuate) != "" {
		if err := l.Evacuate(ctx, base); err != nil {
			return err
		}
	}
	j, err := l.Begin(ctx, base, state.Operation{Name: "apply", Plan: strconv.Itoa(generation)})
	if err != nil {
		return err
	}
	var records errgroup.Group
	pods := child.Number(os.Getenv, child.Concurrent)
	records.SetLimit(max(pods, 1))
	if pods == 0 {
		pods = 3
	}
	for n := range pods {
		records.Go(func() error { return record(j, n, generation) })
	}
	if err := records.Wait(); err != nil {
		return err
	}
	if _, err := j.Close(ctx); err != nil {
		return err
	}
	fmt.Printf("closed %d\n", generation)
	if os.Getenv(child.Rekey) == "" {
		return nil
	}
	if base, err = l.Load(ctx); err != nil {
		return err
	}
	_, err = l.Rekey(ctx, base, false)
	return err
}

func record(j *state.Journal, pod, generation int) error {
	address := fmt.Sprintf("pod.web[%d]", pod)
	if err := j.Begin(address, "update"); err != nil {
		return err
	}
	i := &state.Instance{Address: address, Kind: "pod", Value: strconv.AppendInt(nil, int64(generation), 10)}
	if pod%2 == 0 {
		i.Sensitive = []string{""}
	}
	if err := j.Done(address, i); err != nil {
		return err
	}
	fmt.Printf("done %d %d\n", pod, generation)
	return nil
}
