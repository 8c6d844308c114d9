// Package ocispec writes the OCI runtime specification of a pod's container:
// what isolates it, what it may do and how much of the host it may use. It is
// pure; the caller has already made namespaces and files.
package ocispec
