// Package s3 keeps a state in a bucket of S3 or of a store that speaks its
// protocol. Every write is conditional: the store must honour If-None-Match and
// If-Match on PUT, and one that does not is refused when the lock is taken.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/keyed"
)

const (
	// limit of one object; larger snapshots are in pieces.
	limit = 64 << 20
	// readTries is how often a read is sent; writes are keyed's to repeat.
	readTries = 4
	// callTimeout bounds one call without its body, and bodyTimeout one with.
	callTimeout = 30 * time.Second
	bodyTimeout = 5 * time.Minute
)

// Options say where the state is.
type Options struct {
	Bucket, Key, Region         string
	Endpoint                    string // URL; "" is AWS
	PathStyle                   bool
	Profile                     string
	AccessKey, SecretKey, Token string // "" looks into the profile, and on AWS asks the instance

	// Beat is how often a holder renews its lock, Stale after how long without that
	// it is taken for dead. Default 10 s and 60 s.
	Beat, Stale time.Duration
}

// New makes a backend; nothing is dialled yet.
func New(o Options) (*keyed.Backend, error) {
	if o.Beat == 0 {
		o.Beat, o.Stale = 10*time.Second, time.Minute
	}
	s := &store{o: o, prefix: o.Key + "/"}
	var err error
	// A repeated write would meet what its first attempt did.
	if s.write, err = o.client(1); err != nil {
		return nil, err
	}
	if s.read, err = o.client(readTries); err != nil {
		return nil, err
	}
	where := fmt.Sprintf("s3://%s/%s", o.Bucket, o.Key)
	return keyed.New(s, keyed.Options{
		Location: where, Previous: where + "/snapshot (stowage state history lists them)", Limit: limit,
		Stale: fmt.Sprintf("its lock ends %s after its last sign of life", o.Stale),
	}), nil
}

func (o Options) client(tries int) (*minio.Core, error) {
	host, secure := "s3.amazonaws.com", true
	if o.Region != "us-east-1" {
		host = "s3." + o.Region + ".amazonaws.com"
	}
	providers := []credentials.Provider{
		&credentials.Static{Value: credentials.Value{AccessKeyID: o.AccessKey, SecretAccessKey: o.SecretKey, SessionToken: o.Token, SignerType: credentials.SignatureV4}},
	}
	if o.AccessKey == "" {
		providers = []credentials.Provider{&credentials.FileAWSCredentials{Profile: o.Profile}}
		if o.Endpoint == "" {
			providers = append(providers, &credentials.IAM{})
		}
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("backend \"s3\": %w", err)
		}
		host, secure = u.Host, u.Scheme == "https"
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	return minio.NewCore(host, &minio.Options{
		Creds: credentials.NewChainCredentials(providers), Secure: secure, Region: o.Region, BucketLookup: lookup, MaxRetries: tries,
	})
}

// store is the objects below a key.
type store struct {
	o           Options
	prefix      string
	read, write *minio.Core
}

var _ keyed.Store = (*store)(nil)

// explain says what an error means and what to do.
func (s *store) explain(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	where := s.o.Endpoint
	if where == "" {
		where = "AWS in " + s.o.Region
	}
	r := minio.ToErrorResponse(err)
	advice := ""
	switch {
	case r.Code == "NoSuchBucket":
		return fmt.Errorf("there is no bucket %q at %s: make it (with versioning off), or correct bucket, endpoint or region", s.o.Bucket, where)
	case r.Code == "InvalidAccessKeyId", r.Code == "SignatureDoesNotMatch", r.Code == "ExpiredToken", r.StatusCode == http.StatusUnauthorized:
		advice = ": check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"
	case r.Code == "AccessDenied" || r.StatusCode == http.StatusForbidden:
		advice = ": these credentials need GetObject, PutObject, DeleteObject below " + s.prefix + " and ListBucket"
		if s.o.AccessKey == "" {
			advice = ": no credentials, or not enough: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
		}
	case r.Code == "PermanentRedirect" || r.Code == "AuthorizationHeaderMalformed":
		advice = ": the bucket is in another region; set region"
	case r.StatusCode >= 500:
		advice = ": the store has a problem of its own; try again"
	case errors.Is(err, io.ErrUnexpectedEOF):
		advice = ": the answer broke off; try again"
	case r.StatusCode == 0:
		advice = ": check endpoint and network"
	}
	return fmt.Errorf("%s in bucket %q at %s%s (%w)", doing, s.o.Bucket, where, advice, err)
}

// Get reads one object.
func (s *store) Get(ctx context.Context, key string) (keyed.Object, error) {
	o, _, err := s.get(ctx, key)
	return o, err
}

// get also says how long ago the object was written, by the store's own clock, in whole seconds.
func (s *store) get(ctx context.Context, key string) (o keyed.Object, age time.Duration, err error) {
	within, cancel := context.WithTimeout(ctx, bodyTimeout)
	defer cancel()
	body, info, header, err := s.read.GetObject(within, s.o.Bucket, s.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return o, 0, keyed.ErrAbsent
		}
		return o, 0, s.explain(ctx, "cannot read "+s.prefix+key, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, state.MaxSize+1))
	if err == nil && int64(len(data)) != info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return o, 0, s.explain(ctx, "cannot read "+s.prefix+key, err)
	}
	if now, err := http.ParseTime(header.Get("Date")); err == nil {
		age = now.Sub(info.LastModified)
	}
	return keyed.Object{Key: key, Data: data, Revision: info.ETag}, age, nil
}

// All reads the objects below a prefix, several at once.
func (s *store) All(ctx context.Context, prefix string) ([]keyed.Object, error) {
	keys, err := s.Keys(ctx, prefix)
	if err != nil {
		return nil, err
	}
	all := make([]keyed.Object, len(keys))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for n, key := range keys {
		group.Go(func() (err error) {
			all[n], err = s.Get(within, key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if errors.Is(err, keyed.ErrAbsent) {
			return nil, fmt.Errorf("%w: an object vanished while it was read", state.ErrDamaged) // keyed reads again
		}
		return nil, err
	}
	return all, nil
}

// Keys lists the keys below a prefix.
func (s *store) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for o := range s.read.Client.ListObjects(within, s.o.Bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, s.explain(ctx, "cannot list "+s.prefix+prefix, o.Err)
		}
		keys = append(keys, strings.TrimPrefix(o.Key, s.prefix))
	}
	slices.Sort(keys)
	return keys, nil
}

// Put writes an object, if it is as expected.
func (s *store) Put(ctx context.Context, key string, data []byte, revision string) (string, error) {
	within, cancel := context.WithTimeout(ctx, bodyTimeout)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/octet-stream"}
	if revision == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(revision)
	}
	info, err := s.write.PutObject(within, s.o.Bucket, s.prefix+key, bytes.NewReader(data), int64(len(data)), "", "", o)
	if err == nil {
		return info.ETag, nil
	}
	r := minio.ToErrorResponse(err)
	if r.Code == minio.PreconditionFailed || r.StatusCode == http.StatusPreconditionFailed || revision != "" && r.Code == minio.NoSuchKey {
		return "", keyed.ErrChanged
	}
	return "", s.explain(ctx, "cannot write "+s.prefix+key, err)
}

// Delete removes objects, several at once.
func (s *store) Delete(ctx context.Context, keys []string) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, key := range keys {
		group.Go(func() error {
			within, cancel := context.WithTimeout(within, callTimeout)
			defer cancel()
			err := s.read.RemoveObject(within, s.o.Bucket, s.prefix+key, minio.RemoveObjectOptions{})
			if err != nil {
				return s.explain(ctx, "cannot delete "+s.prefix+key, err)
			}
			return nil
		})
	}
	return group.Wait()
}
