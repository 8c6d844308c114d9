// Package image makes OCI images without a Dockerfile, finds out what a host
// lacks of them, and pushes just that into the host's containerd over an SSH
// tunnel: no registry needed.
package image
