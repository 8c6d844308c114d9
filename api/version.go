package api

// StowageVersion is the version of both binaries, set by the build.
var StowageVersion = "0.1.0-dev"
