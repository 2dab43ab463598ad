package frontend

// DockerfileVersion is the version of docker/dockerfile whose operations, config and warnings
// this frontend reproduces.
const DockerfileVersion = "1.28.0"
