package s3

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "s3".
func Schema() *schema.Block {
	text := func(doc string) *schema.Attribute {
		return &schema.Attribute{Type: cty.String, Optional: true, Doc: doc}
	}
	secret := func(doc, env string) *schema.Attribute {
		a := text(doc)
		a.Sensitive, a.Later = true, "Set the environment variable "+env+" instead, or use a profile."
		return a
	}
	endpoint := text("The URL of a store that is not AWS, e.g. \"https://minio.example.com:9000\"; default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS.")
	endpoint.Validate = func(v cty.Value) error { return checkEndpoint(v.AsString()) }
	bucket := text("The bucket; it must exist.")
	bucket.Optional, bucket.Required = false, true
	key := text("The state's place in the bucket; each state needs its own, e.g. \"web/${context.name}\".")
	key.Optional, key.Required = false, true
	return &schema.Block{
		Doc: "Keeps the state in a bucket of S3, or of any store with S3's protocol and conditional writes. " +
			"The lock is an object that its holder renews.",
		Attributes: map[string]*schema.Attribute{
			"bucket":         bucket,
			"key":            key,
			"region":         text("The bucket's region; default AWS_REGION, AWS_DEFAULT_REGION, else us-east-1."),
			"endpoint":       endpoint,
			"use_path_style": {Type: cty.Bool, Optional: true, Doc: "Put the bucket into the path instead of the host's name; default true with an endpoint."},
			"profile":        text("The profile in ~/.aws/credentials; default AWS_PROFILE."),
			"access_key":     secret("Of the credentials; from the environment or a profile only.", "AWS_ACCESS_KEY_ID"),
			"secret_key":     secret("Of the credentials; from the environment or a profile only.", "AWS_SECRET_ACCESS_KEY"),
			"token":          secret("Of temporary credentials; from the environment or a profile only.", "AWS_SESSION_TOKEN"),
		},
	}
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is not a URL like https://minio.example.com:9000", text)
	case u.User != nil:
		return fmt.Errorf("the URL holds a user; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("the URL of %s has a path; the bucket is an argument of its own", u.Host)
	}
	return nil
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	text := func(name string, defaults ...string) string {
		if v := arguments.GetAttr(name); !v.IsNull() {
			return v.AsString()
		}
		for _, d := range defaults {
			if v := env.Getenv(d); v != "" {
				return v
			}
		}
		return ""
	}
	o := Options{
		Bucket: text("bucket"), Key: strings.Trim(text("key"), "/"), Region: text("region", "AWS_REGION", "AWS_DEFAULT_REGION"),
		Endpoint: text("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), Profile: text("profile", "AWS_PROFILE"),
		AccessKey: env.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: env.Getenv("AWS_SECRET_ACCESS_KEY"), Token: env.Getenv("AWS_SESSION_TOKEN"),
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Endpoint != "" {
		if err := checkEndpoint(o.Endpoint); err != nil {
			return nil, fmt.Errorf("backend \"s3\": the endpoint: %w", err)
		}
	}
	o.PathStyle = o.Endpoint != ""
	if v := arguments.GetAttr("use_path_style"); !v.IsNull() {
		o.PathStyle = v.True()
	}
	return New(o)
}
